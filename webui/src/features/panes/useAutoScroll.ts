/**
 * Follows a growing text while its reader is at the end.
 *
 * The text is followed in a ResizeObserver, when the browser has computed the layout anyway: reading
 * its height after each change would force one layout for every pane.
 *
 * A reader who scrolls up is released at once, by the key or the first step of the wheel, not by the
 * new position: browsers scroll smoothly, in steps smaller than what a model writes meanwhile, and a
 * jump to the end would undo the rest of the movement.
 */
import { onBeforeUnmount, onMounted, ref, watch } from 'vue'
import type { Ref } from 'vue'

/** px from the end within which a reader who scrolls down counts as being there. */
const NEAR_PX = 40
const KEYS_UP = ['ArrowUp', 'PageUp', 'Home']

export function useAutoScroll(box: Ref<HTMLElement | null>, text: Ref<HTMLElement | null>) {
  const atEnd = ref(true)
  /** Scroll position at the last look, in px. */
  let last = 0

  /** Finds out from the scroll position whether the reader is at the end. */
  function look() {
    const element = box.value
    if (!element) return
    const belowPx = element.scrollHeight - element.scrollTop - element.clientHeight
    // A text that became shorter also moves up, but is at its end then.
    if (element.scrollTop < last) atEnd.value = belowPx <= 1
    else if (element.scrollTop > last && belowPx < NEAR_PX) atEnd.value = true
    last = element.scrollTop
  }

  /** Stops following when the reader is about to scroll up. */
  function letGo(event: KeyboardEvent | WheelEvent) {
    const up =
      event instanceof WheelEvent
        ? event.deltaY < 0
        : KEYS_UP.includes(event.key) && !(event.target as Element).closest('textarea, input')
    if (up && box.value!.scrollTop > 0) atEnd.value = false
  }

  function toEnd() {
    const element = box.value
    if (!element) return
    element.scrollTop = element.scrollHeight
    last = element.scrollTop
    atEnd.value = true
  }

  /** Looks first: the scroll event of a reader who has gone up may not have arrived yet. */
  function follow() {
    if (!atEnd.value) return
    look()
    if (atEnd.value) toEnd()
  }

  // The box is observed as well: a pane that changes its size (layout, phone keyboard) stays at the end.
  let observer: ResizeObserver | null = null
  onMounted(() => {
    observer = new ResizeObserver(follow)
    if (box.value) observer.observe(box.value)
    watch(
      text,
      (now, before) => {
        if (before) observer?.unobserve(before)
        if (now) observer?.observe(now)
      },
      { immediate: true, flush: 'post' },
    )
  })
  onBeforeUnmount(() => observer?.disconnect())

  return { atEnd, look, letGo, toEnd }
}

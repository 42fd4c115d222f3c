/**
 * Follows a growing text, but only while its reader is at the end.
 *
 * The text is followed when the browser has laid it out anyway: to ask for its height after each
 * change would lay out the page once for every pane. A reader who goes up, however little, is let
 * go at once, with the key or the wheel's first turn: browsers scroll smoothly, in steps smaller
 * than what a model writes meanwhile, and a move to the end would take back the rest of them.
 */
import { onBeforeUnmount, onMounted, ref, watch } from 'vue'
import type { Ref } from 'vue'

const NEAR_PX = 40
const KEYS_UP = ['ArrowUp', 'PageUp', 'Home']

export function useAutoScroll(box: Ref<HTMLElement | null>, text: Ref<HTMLElement | null>) {
  const atEnd = ref(true)
  /** Where the text stood when it was last looked at, in pixels. */
  let last = 0

  function look() {
    const element = box.value
    if (!element) return
    const left = element.scrollHeight - element.scrollTop - element.clientHeight
    // What got shorter moves up, too, but is then at its end.
    if (element.scrollTop < last) atEnd.value = left <= 1
    else if (element.scrollTop > last && left < NEAR_PX) atEnd.value = true
    last = element.scrollTop
  }

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

  /** Nobody may have heard yet that the reader has gone up. */
  function follow() {
    if (!atEnd.value) return
    look()
    if (atEnd.value) toEnd()
  }

  // A pane that gets smaller or larger (layout, phone keyboard) stays at its end, too.
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

/**
 * Follows a growing text, but only while its reader is at the end.
 *
 * The text is followed when the browser has laid it out anyway: to ask for its height after each
 * change would lay out the page once for every pane.
 */
import { onBeforeUnmount, onMounted, ref, watch } from 'vue'
import type { Ref } from 'vue'

const NEAR_PX = 40

export function useAutoScroll(box: Ref<HTMLElement | null>, text: Ref<HTMLElement | null>) {
  const atEnd = ref(true)
  /** Where the end was when the text was last followed. */
  let placed = 0

  const isNear = ({ scrollHeight, scrollTop, clientHeight }: HTMLElement) =>
    scrollHeight - scrollTop - clientHeight < NEAR_PX

  function look() {
    const element = box.value
    if (!element) return
    atEnd.value = isNear(element)
    if (atEnd.value) placed = element.scrollTop
  }

  function toEnd() {
    const element = box.value
    if (!element) return
    element.scrollTop = element.scrollHeight
    placed = element.scrollTop
    atEnd.value = true
  }

  /** A reader who has just gone up is not pulled back, though nobody heard of it yet. */
  function follow() {
    const element = box.value
    if (!element || !atEnd.value) return
    if (element.scrollTop < placed - 1 && !isNear(element)) atEnd.value = false
    else toEnd()
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

  return { atEnd, look, toEnd }
}

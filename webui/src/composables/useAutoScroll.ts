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

  function look() {
    const element = box.value
    if (!element) return
    atEnd.value = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX
  }

  function toEnd() {
    const element = box.value
    if (!element) return
    element.scrollTop = element.scrollHeight
    atEnd.value = true
  }

  // A pane that gets smaller or larger (layout, phone keyboard) stays at its end, too.
  let observer: ResizeObserver | null = null
  onMounted(() => {
    observer = new ResizeObserver(() => atEnd.value && toEnd())
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

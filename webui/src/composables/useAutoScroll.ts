/** Follows a growing text, but only while its reader is at the end. */
import { nextTick, onBeforeUnmount, onMounted, ref, watch } from 'vue'
import type { Ref } from 'vue'

const NEAR_PX = 40

export function useAutoScroll(box: Ref<HTMLElement | null>, changed: () => unknown) {
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

  watch(changed, () => void (atEnd.value && nextTick(toEnd)), { flush: 'post' })

  // A pane that gets smaller or larger (layout, phone keyboard) stays at its end, too.
  let observer: ResizeObserver | null = null
  onMounted(() => {
    toEnd()
    observer = new ResizeObserver(() => atEnd.value && toEnd())
    if (box.value) observer.observe(box.value)
  })
  onBeforeUnmount(() => observer?.disconnect())

  return { atEnd, look, toEnd }
}

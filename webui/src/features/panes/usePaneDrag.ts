/**
 * Moves panes by dragging their headers onto another pane.
 *
 * For mouse and pen only: a finger on a header scrolls, and the pane's menu has the same actions.
 */
import { onBeforeUnmount, ref } from 'vue'

const HEAD = '[data-pane-head]'
const CONTROLS = 'button, select, input, textarea, a, summary, [role="menuitem"]'
/** A shorter movement is a click. */
const SLACK_PX = 6

const paneAt = (element: Element | null) =>
  element?.closest<HTMLElement>('[data-pane-id]')?.dataset.paneId ?? null

export function usePaneDrag(drop: (id: string, onto: string) => unknown) {
  const dragged = ref<string | null>(null)
  const over = ref<string | null>(null)
  let from = { id: '', x: 0, y: 0 }
  let listening: AbortController | null = null

  function press(event: PointerEvent) {
    const target = event.target as Element
    if (event.button !== 0 || event.pointerType === 'touch') return
    if (!target.closest(HEAD) || target.closest(CONTROLS)) return
    from = { id: paneAt(target) ?? '', x: event.clientX, y: event.clientY }
    listening = new AbortController()
    const { signal } = listening
    window.addEventListener('pointermove', pull, { signal })
    window.addEventListener('pointerup', release, { signal })
    window.addEventListener('pointercancel', end, { signal })
    window.addEventListener('blur', end, { signal })
    window.addEventListener('keydown', onKey, { signal, capture: true })
    // Prevents the selection of text during the drag.
    event.preventDefault()
  }

  function pull({ clientX, clientY }: PointerEvent) {
    const far = Math.hypot(clientX - from.x, clientY - from.y) > SLACK_PX
    if (!dragged.value && !far) return
    dragged.value = from.id
    const id = paneAt(document.elementFromPoint(clientX, clientY))
    over.value = id === from.id ? null : id
  }

  function release() {
    if (dragged.value && over.value) void drop(dragged.value, over.value)
    end()
  }

  function onKey(event: KeyboardEvent) {
    if (event.key === 'Escape') end()
  }

  function end() {
    listening?.abort()
    dragged.value = over.value = null
  }

  onBeforeUnmount(end)
  return { dragged, over, press }
}

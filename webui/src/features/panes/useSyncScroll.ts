/** Panes that scroll together: the one that a person scrolls leads, by share of its length. */
import type { Ref } from 'vue'

const BODY = '[data-pane-body]'

export function useSyncScroll(root: Ref<HTMLElement | null>, enabled: () => boolean) {
  let leader: Element | null = null

  function lead(event: Event) {
    // The pane's own buttons scroll, too, as the one that goes to the end.
    leader = (event.target as Element).closest('[data-pane-id]')?.querySelector(BODY) ?? null
  }

  function follow(event: Event) {
    if (!enabled() || event.target !== leader || !leader) return
    const range = leader.scrollHeight - leader.clientHeight
    // Browsers round the place, and so the end; a place just before it would end the following.
    const share = range - leader.scrollTop < 2 ? 1 : leader.scrollTop / range
    for (const body of root.value?.querySelectorAll(BODY) ?? []) {
      if (body !== leader) body.scrollTop = share * (body.scrollHeight - body.clientHeight)
    }
  }

  return { lead, follow }
}

/** Scrolls all panes together: the pane that a person scrolls leads, by the share of its length. */
import type { Ref } from 'vue'

const BODY = '[data-pane-body]'

export function useSyncScroll(root: Ref<HTMLElement | null>, enabled: () => boolean) {
  let leader: Element | null = null

  function lead(event: Event) {
    // A pane's buttons scroll it as well, such as the one that jumps to the end.
    leader = (event.target as Element).closest('[data-pane-id]')?.querySelector(BODY) ?? null
  }

  function follow(event: Event) {
    if (!enabled() || event.target !== leader || !leader) return
    const range = leader.scrollHeight - leader.clientHeight
    // Browsers round scroll positions. Without this, a pane at its end would place the others just
    // before theirs, and they would stop following their text.
    const share = range - leader.scrollTop < 2 ? 1 : leader.scrollTop / range
    for (const body of root.value?.querySelectorAll(BODY) ?? []) {
      if (body !== leader) body.scrollTop = share * (body.scrollHeight - body.clientHeight)
    }
  }

  return { lead, follow }
}

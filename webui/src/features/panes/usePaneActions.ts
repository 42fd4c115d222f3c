/**
 * Actions on a pane as a whole, by menu, mouse or shortcut: move, close, maximise, duplicate, mute.
 *
 * Every action leaves the focus in a sensible place and all scroll positions unchanged.
 */
import { nextTick } from 'vue'
import { useI18n } from '../../locales/useI18n'
import { useAnnouncer } from '../../ui/useAnnouncer'
import { useArena } from '../arena/arenaStore'
import { useChatStream } from '../chat/useChatStream'
import { usePaneName } from '../workers/usePaneName'

const BODY = '[data-pane-body]'
const bodies = () => document.querySelectorAll<HTMLElement>(BODY)

export function paneElement(id: string): HTMLElement | null {
  return document.querySelector(`[data-pane-id="${id}"]`)
}

export function usePaneActions() {
  const arena = useArena()
  const stream = useChatStream()
  const paneName = usePaneName()
  const { announce } = useAnnouncer()
  const { t } = useI18n()

  const nameOf = (id: string) => paneName(arena.panes[arena.indexOf(id)]!)

  async function move(id: string, to: number): Promise<void> {
    const focused = document.activeElement
    const places = [...bodies()].map((body) => [body, body.scrollTop] as const)
    if (!arena.movePane(id, to)) return
    await nextTick()
    // An element that is moved in the document loses its focus and its scroll position.
    for (const [body, top] of places) body.scrollTop = top
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus()
    announce(t('live.moved', { name: nameOf(id), place: to + 1, count: arena.panes.length }))
  }

  const step = (id: string, by: -1 | 1) => move(id, arena.indexOf(id) + by)

  /** Moves the focus to a pane; if a pane is maximised, this one takes its place. */
  async function focus(id: string): Promise<void> {
    if (arena.maximised) arena.maximised = id
    await nextTick()
    const pane = paneElement(id)
    pane?.scrollIntoView({ block: 'nearest', inline: 'start' })
    pane?.querySelector<HTMLElement>(BODY)?.focus({ preventScroll: true })
  }

  function focusNext(by: -1 | 1) {
    const count = arena.panes.length
    const inside = document.activeElement?.closest('[data-pane-id]')
    const from = arena.current ? arena.indexOf(arena.current.id) : 0
    // With the focus outside of the panes, it returns to the pane that had it last.
    const pane = arena.panes[inside ? (from + by + count) % count : from]
    if (pane) void focus(pane.id)
  }

  function toggleMaximised(id: string) {
    arena.maximised = arena.maximised === id ? null : id
  }

  async function duplicate(id: string): Promise<void> {
    const copy = arena.duplicate(id)
    if (copy) await focus(copy.id)
  }

  async function close(id: string): Promise<void> {
    const index = arena.indexOf(id)
    const name = nameOf(id)
    stream.close(id)
    announce(t('live.closed', { name }))
    const next = arena.panes[Math.min(index, arena.panes.length - 1)]
    if (next) return focus(next.id)
    await nextTick()
    document.getElementById('prompt')?.focus()
  }

  function toggleMuted(id: string) {
    const pane = arena.panes[arena.indexOf(id)]
    if (!pane) return
    pane.muted = !pane.muted
    announce(t(pane.muted ? 'live.muted' : 'live.unmuted', { name: paneName(pane) }))
  }

  return { move, step, focus, focusNext, toggleMaximised, duplicate, close, toggleMuted }
}

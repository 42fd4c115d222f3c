/** Listens for the keyboard shortcuts of the page and runs their actions. */
import { useArena } from '../arena/arenaStore'
import { useBroadcast } from '../chat/useBroadcast'
import { useChatStream } from '../chat/useChatStream'
import { paneElement, usePaneActions } from '../panes/usePaneActions'
import { usePreferences } from '../preferences/preferencesStore'
import { useSessionActions } from '../sessions/useSessionActions'
import { useShortcutHelp } from './shortcutHelp'
import { shortcutOf } from './shortcutKeys'
import type { ShortcutId } from './shortcutKeys'

/** While one of these is open, all keys belong to it, and Escape closes it. */
const LAYERS = '[role="menu"], dialog[open], [role="dialog"]:not(dialog), [data-dragging]'
/** Escape within one of these closes it instead of stopping the answers. */
const CLOSABLE = '[data-closes-by-escape]'

/** Starts to listen for shortcuts. Returns the function that ends it. */
export function startShortcuts(page: { focusPrompt: () => void; undo: () => void }): () => void {
  const arena = useArena()
  const preferences = usePreferences()
  const broadcast = useBroadcast()
  const stream = useChatStream()
  const panes = usePaneActions()
  const sessions = useSessionActions()

  const withCurrent = (run: (id: string) => unknown) => () => {
    if (arena.current) void run(arena.current.id)
  }

  const actions: Record<ShortcutId, () => unknown> = {
    help: () => (useShortcutHelp().value = true),
    stopAll: broadcast.stopAll,
    prompt: page.focusPrompt,
    newSession: async () => {
      await sessions.startNew()
      page.focusPrompt()
    },
    // By their buttons, which also move the focus when what had it disappears.
    sidebar: () => document.querySelector<HTMLElement>('[data-sidebar-button]')?.click(),
    settings: withCurrent((id) =>
      paneElement(id)?.querySelector<HTMLElement>('[data-testid="settings-open"]')?.click(),
    ),
    regenerateAll: () => broadcast.busy.value || broadcast.regenerateAll(),
    retryFailed: broadcast.retryFailed,
    undo: () => broadcast.busy.value || page.undo(),
    layout: () => (arena.layout = arena.layout === 'rows' ? 'columns' : 'rows'),
    sync: () => (arena.syncScroll = !arena.syncScroll),
    next: () => panes.focusNext(1),
    previous: () => panes.focusNext(-1),
    left: withCurrent((id) => panes.step(id, -1)),
    right: withCurrent((id) => panes.step(id, 1)),
    maximise: withCurrent(panes.toggleMaximised),
    regenerate: withCurrent(stream.regenerate),
    stop: withCurrent(stream.stop),
    mute: withCurrent(panes.toggleMuted),
    duplicate: withCurrent(panes.duplicate),
    close: withCurrent(panes.close),
  }

  function onKey(event: KeyboardEvent) {
    const id = shortcutOf(event)
    if (!id || document.querySelector(LAYERS)) return
    if (id === 'stopAll') {
      const inside = event.target instanceof Element && event.target.closest(CLOSABLE)
      if (!inside) broadcast.stopAll()
    } else if (preferences.shortcuts) {
      event.preventDefault()
      void actions[id]()
    }
  }

  // In the capture phase: in the bubbling phase the layer that Escape closes would be gone already,
  // and the same key press would also stop the answers.
  window.addEventListener('keydown', onKey, true)
  return () => window.removeEventListener('keydown', onKey, true)
}

/**
 * The keys of the page. `SHORTCUTS` is the one table: the handler obeys it, the dialog shows it.
 *
 * Alt+Shift (Control+Shift on a Mac, where Option writes characters) is free in browsers and screen
 * readers but for a few letters, which are not in the table, and works while writing, too. A key
 * that belongs to an input method is left to it.
 */
import { useArena } from '../arena/arenaStore'
import { usePreferences } from '../preferences/preferencesStore'
import { useBroadcast } from '../chat/useBroadcast'
import { useChatStream } from '../chat/useChatStream'
import { paneElement, usePaneActions } from '../panes/usePaneActions'
import { useSessionActions } from '../sessions/useSessionActions'
import { useShortcutHelp } from './shortcutHelp'

interface Shortcut {
  id: string
  group: 'page' | 'pane' | 'prompt'
  /** As in `KeyboardEvent.key`; letters are large. */
  key: string
  /** Without Alt and Shift. */
  bare?: true
  /** Goes on while it is held. */
  repeats?: true
}

export const SHORTCUTS = [
  { id: 'help', group: 'page', key: '?', bare: true },
  { id: 'stopAll', group: 'page', key: 'Escape', bare: true },
  { id: 'prompt', group: 'page', key: 'P' },
  { id: 'newSession', group: 'page', key: 'N' },
  { id: 'sidebar', group: 'page', key: 'L' },
  { id: 'regenerateAll', group: 'page', key: 'G' },
  { id: 'retryFailed', group: 'page', key: 'F' },
  { id: 'undo', group: 'page', key: 'U' },
  { id: 'layout', group: 'page', key: 'C' },
  { id: 'sync', group: 'page', key: 'Y' },
  { id: 'next', group: 'pane', key: 'J', repeats: true },
  { id: 'previous', group: 'pane', key: 'K', repeats: true },
  { id: 'left', group: 'pane', key: 'ArrowLeft', repeats: true },
  { id: 'right', group: 'pane', key: 'ArrowRight', repeats: true },
  { id: 'maximise', group: 'pane', key: 'M' },
  { id: 'settings', group: 'pane', key: 'O' },
  { id: 'regenerate', group: 'pane', key: 'R' },
  { id: 'stop', group: 'pane', key: 'S' },
  { id: 'mute', group: 'pane', key: 'Q' },
  { id: 'duplicate', group: 'pane', key: 'D' },
  { id: 'close', group: 'pane', key: 'W' },
] as const satisfies readonly Shortcut[]

export type ShortcutId = (typeof SHORTCUTS)[number]['id']

const IS_MAC = /^(Mac|iP)/.test(globalThis.navigator?.platform ?? '')

/** What it is called on this machine's keyboard. */
export function keysOf({ key, bare }: Shortcut, isMac = IS_MAC): string[] {
  const names: Record<string, string> = { Escape: 'Esc', ArrowLeft: '←', ArrowRight: '→' }
  const last = names[key] ?? key
  return bare ? [last] : [isMac ? 'Control' : 'Alt', 'Shift', last]
}

/** What a key press asks for; null where it belongs to somebody else. */
export function shortcutOf(event: KeyboardEvent, isMac = IS_MAC): ShortcutId | null {
  // Safari ends the composition before this event, and says so only by 229.
  if (event.isComposing || event.keyCode === 229 || event.metaKey) return null
  const { altKey, ctrlKey, shiftKey } = event
  const modified = shiftKey && (isMac ? ctrlKey && !altKey : altKey && !ctrlKey)
  const found = SHORTCUTS.find((shortcut: Shortcut) => {
    if (event.repeat && !shortcut.repeats) return false
    if (!shortcut.bare) return modified && keyOf(event) === shortcut.key
    if (event.key !== shortcut.key || altKey || ctrlKey) return false
    return shortcut.key === 'Escape' ? !shiftKey : !isWriting(event.target)
  })
  return found?.id ?? null
}

/** A letter by its name, or by its place on keyboards of other scripts. */
function keyOf({ key, code }: KeyboardEvent): string {
  if (/^[a-z]$/i.test(key)) return key.toUpperCase()
  return /^Key[A-Z]$/.test(code) ? code.slice(3) : key
}

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('textarea, select, input:not([type=checkbox])'))
  )
}

/** What an Escape closes first; while one is open the keys are its own. */
const LAYERS = '[role="menu"], dialog[open], [role="dialog"]:not(dialog), [data-dragging]'
const CLOSABLE = '[data-closes-by-escape]'

/** Listens until the function that it returns is called. */
export function startShortcuts(page: { focusPrompt: () => void; undo: () => void }): () => void {
  const arena = useArena()
  const prefs = usePreferences()
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
    // The buttons know how to give the focus back.
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
    } else if (prefs.shortcuts) {
      event.preventDefault()
      void actions[id]()
    }
  }

  // In the capture phase: later the layer that an Escape closes would be gone already.
  window.addEventListener('keydown', onKey, true)
  return () => window.removeEventListener('keydown', onKey, true)
}

/**
 * The table of keyboard shortcuts, and which of them a key press asks for.
 *
 * The key handler and the list of shortcuts that the page shows both read `SHORTCUTS`.
 *
 * Alt+Shift, on a Mac Control+Shift (Option writes characters there), is free in browsers and screen
 * readers but for a few letters that are not in the table. It also works while a person writes.
 */
import { isComposing } from '../../lib/browser/sendKey'

interface Shortcut {
  id: string
  group: 'page' | 'pane' | 'prompt'
  /** As in `KeyboardEvent.key`; letters in upper case. */
  key: string
  /** Pressed without Alt and Shift. */
  bare?: true
  /** Whether holding the key repeats the action. */
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

/** The names of the keys on this machine's keyboard. */
export function keysOf({ key, bare }: Shortcut, isMac = IS_MAC): string[] {
  const names: Record<string, string> = { Escape: 'Esc', ArrowLeft: '←', ArrowRight: '→' }
  const last = names[key] ?? key
  return bare ? [last] : [isMac ? 'Control' : 'Alt', 'Shift', last]
}

/** The shortcut of a key press; null if the key belongs to an input method or to a text field. */
export function shortcutOf(event: KeyboardEvent, isMac = IS_MAC): ShortcutId | null {
  if (isComposing(event) || event.metaKey) return null
  const { altKey, ctrlKey, shiftKey } = event
  const modified = shiftKey && (isMac ? ctrlKey && !altKey : altKey && !ctrlKey)
  const match = SHORTCUTS.find((shortcut: Shortcut) => {
    if (event.repeat && !shortcut.repeats) return false
    if (!shortcut.bare) return modified && keyOf(event) === shortcut.key
    if (event.key !== shortcut.key || altKey || ctrlKey) return false
    return shortcut.key === 'Escape' ? !shiftKey : !isWriting(event.target)
  })
  return match?.id ?? null
}

/** A letter by its name, or by its position on keyboards of other scripts. */
function keyOf({ key, code }: KeyboardEvent): string {
  if (/^[a-z]$/i.test(key)) return key.toUpperCase()
  return /^Key[A-Z]$/.test(code) ? code.slice(3) : key
}

/** Whether the key press would write into its target. */
function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('textarea, select, input:not([type=checkbox])'))
  )
}

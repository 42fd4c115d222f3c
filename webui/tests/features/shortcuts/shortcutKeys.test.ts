// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { SHORTCUTS, keysOf, shortcutOf } from '../../../src/features/shortcuts/shortcutKeys'
import type { ShortcutId } from '../../../src/features/shortcuts/shortcutKeys'

/** What a press in an element asks for. */
function press(init: KeyboardEventInit, tag = 'body', isMac = false): ShortcutId | null {
  const target = document.createElement(tag)
  let found: ShortcutId | null = null
  target.addEventListener('keydown', (event) => (found = shortcutOf(event, isMac)))
  target.dispatchEvent(new KeyboardEvent('keydown', init))
  return found
}

const held = { altKey: true, shiftKey: true }

describe('shortcuts', () => {
  it('have a key each', () => {
    expect(new Set(SHORTCUTS.map(({ key }) => key)).size).toBe(SHORTCUTS.length)
  })

  it('are recognised by the keys that are shown', () => {
    for (const one of SHORTCUTS) {
      const mac = { ctrlKey: true, shiftKey: true }
      const bare = 'bare' in one
      expect(press({ key: one.key, ...(bare ? {} : held) })).toBe(one.id)
      expect(press({ key: one.key, ...(bare ? {} : mac) }, 'body', true)).toBe(one.id)
    }
    expect(
      keysOf(
        SHORTCUTS.find(({ id }) => id === 'prompt')!,
        false,
      ),
    ).toEqual(['Alt', 'Shift', 'P'])
    expect(
      keysOf(
        SHORTCUTS.find(({ id }) => id === 'left')!,
        true,
      ),
    ).toEqual(['Control', 'Shift', '←'])
  })

  it('leave the browser, screen readers and characters alone', () => {
    // Alt+Shift of Chrome and Firefox: toolbar, bookmarks, dialogs, feedback.
    for (const key of 'TBAI') expect(press({ key, ...held })).toBeNull()
    expect(press({ key: 'P' })).toBeNull()
    expect(press({ key: 'P', altKey: true })).toBeNull()
    expect(press({ key: 'P', ctrlKey: true, shiftKey: true })).toBeNull()
    expect(press({ key: 'P', ctrlKey: true, altKey: true, shiftKey: true })).toBeNull()
    expect(press({ key: 'P', metaKey: true, ...held })).toBeNull()
  })

  it('work in text fields, except the question mark', () => {
    for (const tag of ['textarea', 'input', 'select']) {
      expect(press({ key: 'P', ...held }, tag)).toBe('prompt')
      expect(press({ key: '?', shiftKey: true }, tag)).toBeNull()
    }
    expect(press({ key: '?', shiftKey: true }, 'button')).toBe('help')
  })

  it('ignore keys of an input method', () => {
    expect(press({ key: 'P', isComposing: true, ...held })).toBeNull()
    expect(press({ key: 'P', keyCode: 229, ...held })).toBeNull()
    expect(press({ key: 'Escape', isComposing: true })).toBeNull()
  })

  it('work on keyboards of other scripts', () => {
    expect(press({ key: 'З', code: 'KeyP', ...held })).toBe('prompt')
    // The letter where there is one, wherever it lies.
    expect(press({ key: 'P', code: 'KeyR', ...held })).toBe('prompt')
  })

  it('run once while held, except for moving', () => {
    expect(press({ key: 'D', repeat: true, ...held })).toBeNull()
    expect(press({ key: 'J', repeat: true, ...held })).toBe('next')
  })
})

// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { isSendKey } from '../../../src/lib/browser/sendKey'

const press = (init: KeyboardEventInit) => new KeyboardEvent('keydown', { key: 'Enter', ...init })

describe('isSendKey', () => {
  it('is Enter alone', () => {
    expect(isSendKey(press({}))).toBe(true)
    expect(isSendKey(press({ key: 'a' }))).toBe(false)
    expect(isSendKey(press({ shiftKey: true }))).toBe(false)
    expect(isSendKey(press({ ctrlKey: true }))).toBe(false)
  })

  it('is not the Enter of an input method', () => {
    expect(isSendKey(press({ isComposing: true }))).toBe(false)
    expect(isSendKey(press({ keyCode: 229 }))).toBe(false)
  })
})

import { describe, expect, it } from 'vitest'
import { escapeInvisibleDeep, codeOf, escapeInvisible } from '../../../src/lib/text/invisible'

describe('escapeInvisible', () => {
  it.each([
    ['\u202eevil', '⟨U+202E⟩evil'],
    ['a\u200bb', 'a⟨U+200B⟩b'],
    ['\u0000', '⟨U+0000⟩'],
    ['\u{e0041}', '⟨U+E0041⟩'],
    ['\ufeffx', '⟨U+FEFF⟩x'],
  ])('shows characters that reorder or hide: %j', (text, shown) => {
    expect(escapeInvisible(text)).toBe(shown)
  })

  it.each(['模型 7B', 'line\nand\ttab', 'שלום', 'नमस्ते', '👩‍💻', 'e\u0301'])(
    'leaves alone: %j',
    (text) => {
      expect(escapeInvisible(text)).toBe(text)
    },
  )

  it('cuts texts that are too long', () => {
    expect(escapeInvisible('x'.repeat(4000))).toHaveLength(4000)
    expect(escapeInvisible('x'.repeat(4001))).toBe(`${'x'.repeat(4000)}…`)
  })

  it('reaches keys and values at any depth, and nothing but texts', () => {
    const json = { 'a\u202e': ['\u202e', { b: '\u202e' }], n: 1, t: true, none: null }
    const bad = '⟨U+202E⟩'
    expect(escapeInvisibleDeep(json)).toEqual({
      [`a${bad}`]: [bad, { b: bad }],
      n: 1,
      t: true,
      none: null,
    })
  })

  it('names a character by at least four digits', () => {
    expect([codeOf('\t'), codeOf('\u{1f600}')]).toEqual(['U+0009', 'U+1F600'])
  })
})

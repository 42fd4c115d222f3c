import { describe, expect, it } from 'vitest'
import { compare, wordsOf } from '../../../src/lib/diff/words'

const SIGNS = { same: '', removed: '-', added: '+' }
const difference = (before: string, after: string) =>
  compare(before, after)!.parts.map(({ kind, text }) => SIGNS[kind] + text)

describe('words', () => {
  it('end at a space or where the segmenter cuts', () => {
    expect(wordsOf('The fox, 3.5 km')).toEqual(['The ', 'fox', ', ', '3.5 ', 'km'])
    expect(wordsOf('a\n    b')).toEqual(['a', '\n', '    ', 'b'])
    expect(wordsOf('我喜欢苹果').length).toBeLessThan(5)
    expect(wordsOf('')).toEqual([])
  })

  it('are all of the text', () => {
    const text = '  Ein\r\n\r\n\ttext — 你好，世界！ 👩‍💻 e\u0301\u0000'
    expect(wordsOf(text).join('')).toBe(text)
  })
})

describe('compare', () => {
  it('finds the words that changed', () => {
    expect(difference('the red fox runs', 'the blue fox runs')).toEqual([
      'the ',
      '-red ',
      '+blue ',
      'fox runs',
    ])
    expect(difference('我喜欢苹果。', '我喜欢香蕉。')).toEqual(['我喜欢', '-苹果', '+香蕉', '。'])
    expect(compare('one two three', 'one four')).toMatchObject({
      unit: 'words',
      removed: 2,
      added: 1,
    })
  })

  it('contains both texts completely', () => {
    const [before, after] = ['a b\n  c d\n\ne', 'a c\n d  d\nf e ']
    const { parts } = compare(before, after)!
    const without = (kind: string) =>
      parts.filter((part) => part.kind !== kind).map(({ text }) => text)
    expect(without('removed').join('')).toBe(after)
    // What stayed is written as it is now.
    const dense = (text: string) => text.replace(/ /g, '')
    expect(dense(without('added').join(''))).toBe(dense(before))
  })

  it('does not count spaces, but indentation', () => {
    expect(compare('a b', 'a  b ')).toMatchObject({ removed: 0, added: 0 })
    expect(difference('if x:\n  y', 'if x:\n    y')).toContain('+    ')
  })

  it('compares lines of longer texts, and returns null for texts that are too long', () => {
    const bounds = { words: { size: 10, time: 1000 }, lines: { size: 40, time: 1000 } }
    expect(compare('one\ntwo\nthree', 'one\n2\nthree', bounds)).toMatchObject({
      unit: 'lines',
      removed: 1,
      added: 1,
    })
    expect(compare('x'.repeat(30), 'y'.repeat(30), bounds)).toBeNull()
  })
})

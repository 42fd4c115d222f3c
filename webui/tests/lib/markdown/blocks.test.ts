import { describe, expect, it } from 'vitest'
import { finishedCount, hasReferences, splitBlocks } from '../../../src/lib/markdown/blocks'
import { md } from '../../../src/lib/markdown/parser'

const split = (source: string) => splitBlocks(md, source)
const sources = (source: string) => split(source).map((block) => block.source)
const finished = (source: string) => finishedCount(split(source))

describe('splitBlocks', () => {
  it('loses nothing', () => {
    const source =
      '\n\n# a\n\ntext\nmore\n\n- x\n\n  y\n- z\n\n```py\ncode\n\nmore\n```\n\n| a |\n|---|\n| 1 |\n\n\n'
    expect(sources(source).join('')).toBe(source)
    for (let end = 0; end <= source.length; end++) {
      expect(sources(source.slice(0, end)).join('')).toBe(source.slice(0, end))
    }
  })

  it('keeps blank lines inside lists, fences and formulas', () => {
    expect(sources('- a\n\n  b\n- c\n\nd\n')).toHaveLength(2)
    expect(sources('```\na\n\nb\n```\nc\n')).toHaveLength(2)
    expect(sources('$$\na\n\nb\n$$\n\nc\n')).toHaveLength(2)
  })

  it.each([
    ['```py\ncode\n', true],
    ['```py\ncode\n``', true],
    ['```py\ncode\n```', false],
    ['```py\ncode\n```\n\n', false],
    ['````\n```\n', true],
    ['~~~\n```\n', true],
    ['```', true],
    ['text', false],
  ])('detects an open fence: %j', (source, open) => {
    expect(split(source).at(-1)!.openFence).toBe(open)
  })
})

describe('finishedCount', () => {
  it.each([
    ['', 0],
    ['a', 0],
    ['a\n\n', 0],
    ['a\n\nb', 0],
    ['a\n\nb\n', 1],
    // The 2 may become "2. b", which continues the list.
    ['1. a\n\n2', 0],
    ['1. a\n\n2. b\n', 0],
    ['1. a\n\ntext\n', 1],
    // A dash may become a heading's underline or a list.
    ['a\n-', 0],
    ['# h\ntext', 0],
    ['# h\ntext\nmore', 1],
  ])('%j: %i', (source, count) => {
    expect(finished(source)).toBe(count)
  })
})

describe('hasReferences', () => {
  it('sees definitions and nothing else', () => {
    expect(hasReferences('see [a]\n\n[a]: http://x')).toBe(true)
    expect(hasReferences('see [a](http://x): yes')).toBe(false)
  })
})

import { describe, expect, it } from 'vitest'
import { promptPieces } from '../../../src/features/turns/promptPieces'

const marked = (prompt: string) =>
  promptPieces(prompt)
    .filter(({ kind }) => kind !== 'text')
    .map(({ text }) => text)

describe('a prompt', () => {
  it('shows its special tokens', () => {
    expect(promptPieces('<|im_start|>user\nHi<|im_end|>\n')).toEqual([
      { kind: 'special', text: '<|im_start|>' },
      { kind: 'text', text: 'user\nHi' },
      { kind: 'special', text: '<|im_end|>' },
      { kind: 'text', text: '\n' },
    ])
    expect(marked('<s>[INST] <<SYS>> a </s><eoh><end_of_turn><｜User｜>[gMASK]')).toHaveLength(8)
  })

  it('treats other brackets as text', () => {
    expect(marked('<div> a < b > c [1] <|not closed\n|> <section>')).toEqual([])
  })

  it('marks invisible characters', () => {
    expect(marked('a\u202eb\u200bc\u0000d\te\n')).toEqual(['U+202E', 'U+200B', 'U+0000'])
  })
})

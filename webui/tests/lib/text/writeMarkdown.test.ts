import { describe, expect, it } from 'vitest'
import {
  closeFences,
  document,
  fold,
  heading,
  inlineCode,
  plainLine,
  quote,
  table,
} from '../../../src/lib/text/writeMarkdown'

describe('a line of plain text', () => {
  it.each([
    ['a_b *c* [d]', 'a\\_b \\*c\\* \\[d\\]'],
    ['two\n lines ', 'two lines'],
    ['a | b', 'a \\| b'],
    ['# no heading', '\\# no heading'],
    ['Fox #2', 'Fox #2'],
    ['ends with #', 'ends with \\#'],
  ])('has no Markdown in it: %j', (text, written) => {
    expect(plainLine(text)).toBe(written)
  })
})

describe('code', () => {
  it('is fenced by more backticks than it has', () => {
    expect(inlineCode('a')).toBe('`a`')
    expect(inlineCode('a `b` ``c``')).toBe('``` a `b` ``c`` ```')
  })

  it.each([
    ['```py\nopen', '```py\nopen\n```'],
    ['~~~~\na\n~~~', '~~~~\na\n~~~\n~~~~'],
    ['```\nclosed\n```', '```\nclosed\n```'],
    ['no code', 'no code'],
  ])('is closed at the end: %j', (text, closed) => {
    expect(closeFences(text)).toBe(closed)
  })
})

it('writes headings, quotes, folds, tables and documents', () => {
  expect(heading(2, 'A *b*')).toBe('## A \\*b\\*')
  expect(quote('a\n\nb')).toBe('> a\n> \n> b')
  expect(fold('More', 'text')).toBe('<details><summary>More</summary>\n\ntext\n\n</details>')
  expect(table(['a', 'b'], '|---|---:|', [['1', '2']])).toBe('| a | b |\n|---|---:|\n| 1 | 2 |')
  expect(document(['one', '', 'two'])).toBe('one\n\ntwo\n')
})

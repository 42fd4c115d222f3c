// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest'
import { md } from '../../src/markdown/parser'
import { MarkdownStream } from '../../src/markdown/stream'

const labels = { copy: 'Copy' }
const SAMPLE = `# Title

Some *text* with \`code\` and $x^2$.

1. one

2. two
   - nested

| a | b |
|---|---|
| 1 | 2 |

\`\`\`python
def f():

    return 1
\`\`\`

> quote

$$
\\frac{1}{2}
$$

The end.
`

describe('MarkdownStream', () => {
  it('ends with what a whole rendering gives, whatever the chunks', { timeout: 30_000 }, () => {
    const whole = new MarkdownStream(labels).update(SAMPLE, true)
    for (const size of [1, 3, 17]) {
      const stream = new MarkdownStream(labels)
      for (let end = size; end < SAMPLE.length; end += size)
        stream.update(SAMPLE.slice(0, end), false)
      expect(stream.update(SAMPLE, true)).toEqual(whole)
    }
  })

  it('never changes a block that it has finished', () => {
    const stream = new MarkdownStream(labels)
    let before: string[] = []
    for (let end = 1; end <= SAMPLE.length; end++) {
      const now = stream.update(SAMPLE.slice(0, end), false)
      // All but the last two can be finished; those that are must stay.
      expect(now.slice(0, Math.max(0, before.length - 2))).toEqual(
        before.slice(0, Math.max(0, before.length - 2)),
      )
      before = now
    }
  })

  it('renders a finished block once', () => {
    const spy = vi.spyOn(md, 'render')
    const stream = new MarkdownStream(labels)
    const text = 'First block.\n\n'.repeat(1) + 'word '.repeat(400)
    for (let end = 1; end <= text.length; end += 20) stream.update(text.slice(0, end), false)
    const first = spy.mock.calls.filter(([source]) => source === 'First block.\n\n')
    expect(first.length).toBeLessThanOrEqual(2)
  })

  it('highlights a fence only when it is closed', () => {
    const stream = new MarkdownStream(labels)
    const open = '```python\ndef f(): pass\n'
    expect(stream.update(open, false).join('')).not.toContain('hljs-')
    expect(stream.update(`${open}\`\`\``, false).join('')).toContain('hljs-keyword')
  })

  it('starts again when the text is replaced', () => {
    const stream = new MarkdownStream(labels)
    stream.update('One.\n\nTwo.\n\nThree.\n', false)
    expect(stream.update('Other.\n\nText.\n\n', false).join('')).toBe(
      '<p>Other.</p>\n<p>Text.</p>\n',
    )
  })

  it('resolves link references at the end', () => {
    const stream = new MarkdownStream(labels)
    const text = 'See [it][1].\n\nMore.\n\n[1]: https://example.org\n'
    stream.update(text, false)
    expect(stream.update(text, true).join('')).toContain('href="https://example.org"')
  })
})

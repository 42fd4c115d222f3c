// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest'
import { md } from '../../../src/lib/markdown/parser'
import { MarkdownView } from '../../../src/lib/markdown/view'

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

/** A view, and what stands in its blocks. */
function start() {
  const root = document.createElement('div')
  const view = new MarkdownView(root, labels)
  return {
    root,
    elements: () => [...root.querySelectorAll('.part > div')],
    show(text: string, ended: boolean, isLate?: () => boolean) {
      const complete = view.show(text, ended, isLate)
      return { complete, blocks: this.elements().map(({ innerHTML }) => innerHTML) }
    },
  }
}

describe('MarkdownView', () => {
  it(
    'ends with the result of one rendering of the whole, whatever the chunks',
    { timeout: 30_000 },
    () => {
      const whole = start().show(SAMPLE, true).blocks
      for (const size of [1, 3, 17]) {
        const view = start()
        for (let end = size; end < SAMPLE.length; end += size)
          view.show(SAMPLE.slice(0, end), false)
        expect(view.show(SAMPLE, true).blocks).toEqual(whole)
      }
    },
  )

  it('gives the same result if the time is always over', { timeout: 30_000 }, () => {
    const whole = start().show(SAMPLE, true).blocks
    const view = start()
    for (let end = 7; end < SAMPLE.length; end += 7)
      view.show(SAMPLE.slice(0, end), false, () => true)
    let calls = 1
    while (!view.show(SAMPLE, true, () => true).complete) calls++
    expect(calls).toBeLessThanOrEqual(whole.length)
    expect(view.show(SAMPLE, true).blocks).toEqual(whole)
  })

  it('stops when the time is over, and continues from there', () => {
    const render = vi.spyOn(md, 'render')
    const text = 'One.\n\nTwo.\n\nThree.\n\nFour.\n'
    const view = start()
    const isLate = () => render.mock.calls.length >= 2
    expect(view.show(text, false, isLate)).toEqual({
      complete: false,
      blocks: ['<p>One.</p>\n', '<p>Two.</p>\n'],
    })
    render.mockClear()
    expect(view.show(text, false, isLate).complete).toBe(true)
    expect(render.mock.calls.map(([source]) => source.trim())).toEqual(['Three.', 'Four.'])
  })

  it('never changes a block that it has finished', () => {
    const view = start()
    let before: Element[] = []
    const htmlOf = new Map<Element, string>()
    for (let end = 1; end <= SAMPLE.length; end++) {
      view.show(SAMPLE.slice(0, end), false)
      const now = view.elements()
      // All but the last two can be finished; those that are must stay.
      for (const [index, element] of before.slice(0, -2).entries()) {
        expect(now[index]).toBe(element)
        expect(element.innerHTML).toBe(htmlOf.get(element))
      }
      before = now
      for (const element of now) htmlOf.set(element, element.innerHTML)
    }
  })

  it('renders a finished block once', () => {
    const spy = vi.spyOn(md, 'render')
    const view = start()
    const text = 'First block.\n\n' + 'word '.repeat(400)
    for (let end = 1; end <= text.length; end += 20) view.show(text.slice(0, end), false)
    const first = spy.mock.calls.filter(([source]) => source.startsWith('First block.'))
    expect(first).toHaveLength(1)
  })

  it('renders nothing again at the end', () => {
    const view = start()
    view.show(SAMPLE, false)
    const spy = vi.spyOn(md, 'render')
    view.show(SAMPLE, true)
    expect(spy).not.toHaveBeenCalled()
  })

  it('shows the last words before it reads the whole again', () => {
    const view = start()
    view.show('One.\n\nTwo.\n\nThr', false)
    const parse = vi.spyOn(md.block, 'parse')
    const text = 'One.\n\nTwo.\n\nThree.\n'
    const late = view.show(text, true, () => true)
    expect(late.complete).toBe(false)
    expect(late.blocks.at(-1)).toBe('<p>Three.</p>\n')
    expect(parse).not.toHaveBeenCalledWith(text, expect.anything(), {}, expect.anything())
    expect(view.show(text, true, () => true).complete).toBe(true)
    expect(parse).toHaveBeenCalledWith(text, expect.anything(), {}, expect.anything())
  })

  it('highlights a fence only when it is closed', () => {
    const view = start()
    const open = '```python\ndef f(): pass\n'
    expect(view.show(open, false).blocks.join('')).not.toContain('hljs-')
    expect(view.show(`${open}\`\`\``, false).blocks.join('')).toContain('hljs-keyword')
  })

  it('starts again when the text is replaced', () => {
    const view = start()
    view.show('One.\n\nTwo.\n\nThree.\n', false)
    const { blocks } = view.show('Other.\n\nText.\n\n', false)
    expect(blocks).toEqual(['<p>Other.</p>\n', '<p>Text.</p>\n'])
  })

  it('lays blocks into parts, and marks those that the end has left behind', () => {
    const view = start()
    const show = (count: number) => {
      view.show('Words.\n\n'.repeat(count), count % 2 === 1)
      return [...view.root.children].map((part) => [part.className, part.children.length])
    }
    expect(show(10)).toEqual([
      ['part', 8],
      ['part', 2],
    ])
    expect(show(34).map(([name]) => name)).toEqual([
      'part past',
      'part past',
      ...Array(3).fill('part'),
    ])
    expect(show(17).map(([, count]) => count)).toEqual([8, 8, 1])
    expect(show(17).map(([name]) => name)).toEqual(['part', 'part', 'part'])
  })

  it('removes blocks that the text no longer has', () => {
    const view = start()
    view.show('One.\n\nTwo.\n\nThree.\n', false)
    expect(view.show('One.\n', true).blocks).toEqual(['<p>One.</p>\n'])
    expect(view.show('', true).blocks).toEqual([])
  })

  it('resolves link references at the end, separately for each text', () => {
    const view = start()
    const text = (name: string) => `See [it][1].\n\nMore.\n\n[1]: https://${name}.example\n`
    view.show(text('a'), false)
    expect(view.show(text('a'), true).blocks.join('')).toContain('href="https://a.example"')
    expect(view.show(text('b'), true).blocks.join('')).toContain('href="https://b.example"')
  })
})

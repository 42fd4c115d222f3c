// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { md } from '../../../src/lib/markdown/parser'
import { renderMarkdown } from '../../../src/lib/markdown/render'
import { MarkdownView } from '../../../src/lib/markdown/view'
import { HOSTILE, REPEATED } from './hostile'

const labels = { copy: 'Copy' }
const SHORT = 130
const short = HOSTILE.filter(({ text }) => text.length <= SHORT)

const ELEMENTS = new Set(
  (
    'p h1 h2 h3 h4 h5 h6 ul ol li blockquote hr br strong em s a code pre div span button ' +
    'table thead tbody tr th td svg path line'
  ).split(' '),
)
const ATTRIBUTES = new Set(
  (
    'href target rel title class style tabindex type start role aria-hidden aria-label data-copy ' +
    'data-code xmlns viewBox preserveAspectRatio d x1 x2 y1 y2 stroke-width height width'
  ).split(' '),
)
const OUR_CLASSES =
  /^(?:code|code-head|code-copy|table-wrap|unseen|katex-error|katex-block|plain|hljs-.+|[a-z]+_|language-.+|katex-display)$/

function dom(content: Node): HTMLElement {
  const root = document.createElement('div')
  root.append(content)
  return root
}

function expectHarmless(root: Element) {
  for (const element of root.querySelectorAll('*')) {
    expect(ELEMENTS).toContain(element.localName)
    for (const { name, value } of element.attributes) {
      expect(ATTRIBUTES).toContain(name)
      if (name === 'style') expect(value).not.toMatch(/url|fixed|absolute|expression|@/i)
      if (['title', 'class', 'href', 'aria-label'].includes(name)) continue
      expect(value).not.toMatch(/script:|data:/i)
    }
    if (!element.closest('.katex')) {
      for (const name of element.classList) expect(name).toMatch(OUR_CLASSES)
    }
  }
  for (const link of root.querySelectorAll('a')) {
    expect(link.getAttribute('href')).toMatch(/^(?:https?:\/\/|mailto:)/i)
    expect(link.relList.value).toBe('noopener noreferrer nofollow')
    expect(link.target).toBe('_blank')
  }
}

function depth(root: Element): number {
  return 1 + Math.max(0, ...[...root.children].map(depth))
}

describe('hostile Markdown', () => {
  it.each(HOSTILE)('is harmless: $name', { timeout: 30_000 }, ({ text }) => {
    const root = dom(renderMarkdown(text, { labels }))
    expectHarmless(root)
    expect(depth(root)).toBeLessThan(400)
  })

  it.each(short)('is harmless wherever it is cut: $name', { timeout: 30_000 }, ({ text }) => {
    const root = document.createElement('div')
    const view = new MarkdownView(root, labels)
    const seen = new Set<string>()
    for (let end = 1; end <= text.length; end++) {
      view.show(text.slice(0, end), false)
      seen.add(root.innerHTML)
    }
    view.show(text, true)
    seen.add(root.innerHTML)
    for (const html of seen) {
      const all = document.createElement('div')
      all.innerHTML = html
      // Once for each that differs: jsdom looks for elements slowly.
      all.querySelectorAll('.part > div').forEach(expectHarmless)
    }
  })

  // Steps are counted, not timed: twice the text may cost twice the steps, not four times.
  it.each(REPEATED)('costs by its length: $name', { timeout: 30_000 }, ({ repeated }) => {
    const [once, twice] = [300, 600].map((count) => stepsOf(repeated(count)))
    expect(twice! / once!).toBeLessThan(3)
  })
})

function stepsOf(text: string): number {
  const { charCodeAt } = String.prototype
  let steps = 0
  String.prototype.charCodeAt = function (index) {
    steps++
    return charCodeAt.call(this, index)
  }
  try {
    md.render(text, { labels, highlight: false })
  } finally {
    String.prototype.charCodeAt = charCodeAt
  }
  return steps
}

describe('an answer cannot', () => {
  it('change the formulas of another', () => {
    const half = () => dom(renderMarkdown('$\\frac{1}{2}$', { labels })).innerHTML
    const before = half()
    renderMarkdown('$\\gdef\\frac#1#2{\\text{wrong}}$', { labels })
    expect(half()).toBe(before)
  })

  it('lose what is nested too deeply', () => {
    for (const source of [`${'>'.repeat(300)} word`, `${'- '.repeat(300)}word`]) {
      expect(dom(renderMarkdown(source, { labels })).textContent).toContain('word')
    }
  })

  it('hide characters that change the look of its code, which a copy still contains', () => {
    const source = 'a\u202eb\u200bc\n'
    const root = dom(renderMarkdown(`\`\`\`python\n${source}\`\`\`\n\n\`x\u2066y\``, { labels }))
    const codes = [...root.querySelectorAll<HTMLElement>('.unseen')].map(
      (element) => element.dataset.code,
    )
    expect(codes).toEqual(['U+202E', 'U+200B', 'U+2066'])
    expect(root.querySelector('pre')!.textContent).toBe(source)
  })

  it('link into this page', () => {
    const root = dom(renderMarkdown('[a](?worker=x) [b](#app) [c](//x) [d](x)', { labels }))
    expect(root.querySelector('a')).toBeNull()
    expect(root.textContent).toContain('[a](?worker=x)')
  })

  it('load a picture', () => {
    const root = dom(
      renderMarkdown('![](https://a.example/x.png "t") ![x](data:image/png;base64,iVBORw0KGgo=)', {
        labels,
      }),
    )
    expect(root.querySelector('a')!.textContent).toBe('https://a.example/x.png')
    expect(root.querySelectorAll('a')).toHaveLength(1)
  })
})

// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { renderMarkdown } from '../../../src/lib/markdown/render'

const html = (source: string) => dom(source).innerHTML

function dom(source: string): HTMLElement {
  const root = document.createElement('div')
  root.append(renderMarkdown(source, { labels: { copy: 'Copy' } }))
  return root
}

describe('renderMarkdown', () => {
  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '<svg><style><img src=x onerror=alert(1)></style></svg>',
    '$\\href{javascript:alert(1)}{x}$',
    '$\\htmlData{x=y}{a}$',
    '```"><img src=x onerror=alert(1)>\ncode\n```',
    '![x](javascript:alert(1))',
  ])('runs no code: %s', (source) => {
    const root = dom(source)
    expect(root.querySelector('script, img, style, iframe, object, form')).toBeNull()
    for (const element of root.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on/)
        expect(value).not.toMatch(/^\s*javascript:/i)
      }
    }
  })

  it('shows pictures as links, so that an answer fetches nothing', () => {
    const root = dom('![a fox](https://example.org/fox.png)')
    expect(root.querySelector('img')).toBeNull()
    expect(root.querySelector('a')).toMatchObject({
      textContent: 'a fox',
      rel: 'noopener noreferrer nofollow',
      target: '_blank',
    })
  })

  it('highlights known languages, and shows unknown ones as they are', () => {
    expect(html('```python\ndef f(): pass\n```')).toContain('hljs-keyword')
    expect(html('```klingon\nx < y\n```')).toContain('x &lt; y')
    expect(dom('```py\nx\n```').querySelector('.code-head')!.textContent).toBe('pyCopy')
  })

  it('makes scrolling areas focusable', () => {
    expect(dom('```\nx\n```').querySelector('pre')!.tabIndex).toBe(0)
    expect(dom('| a |\n|---|\n| 1 |').querySelector<HTMLElement>('.table-wrap')!.tabIndex).toBe(0)
    expect(dom('$$x$$').querySelector<HTMLElement>('.katex-display')!.tabIndex).toBe(0)
  })

  it.each(['$x^2$', '\\(x^2\\)', '$$x^2$$', '\\[x^2\\]'])('reads formulas: %s', (source) => {
    const root = dom(source)
    expect(root.querySelector('.katex-html')!.ariaHidden).toBe('true')
    expect(root.querySelector('[role=math]')!.ariaLabel).toBe('x^2')
    expect(root.textContent).not.toContain('x^2')
  })

  it.each(['f:A \\to B', 'a < b \\text{"c"}', "y' \\$\\&", 'javascript:1'])(
    'labels a formula with its source: %s',
    (source) => {
      expect(dom(`$${source}$`).querySelector('[role=math]')!.ariaLabel).toBe(source)
    },
  )

  it('shows a wrong formula instead of failing', () => {
    expect(dom('$\\frac{$').textContent).toContain('\\frac{')
  })

  it('leaves prices and file names alone', () => {
    expect(dom('It costs $5 and then $6.').querySelector('.katex')).toBeNull()
    expect(dom('Edit example.py now').querySelector('a')).toBeNull()
    expect(dom('See https://example.org now').querySelector('a')).not.toBeNull()
  })
})

/**
 * Markdown of a model → safe nodes. Knows nothing of panes or streams.
 *
 * This module is heavy and is only loaded on demand.
 */
import DOMPurify from 'dompurify'
import { md } from './parser'
import type { Env, Labels } from './parser'

/** What markdown-it, highlight.js and KaTeX write with our options, and nothing else. */
const TAGS = [
  ...['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'hr', 'br'],
  ...['strong', 'em', 's', 'a', 'code', 'pre', 'div', 'span', 'button'],
  ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ...['svg', 'path', 'line'],
]
const ATTRIBUTES = [
  ...['href', 'target', 'rel', 'title', 'class', 'style', 'tabindex', 'type', 'start'],
  ...['role', 'aria-hidden', 'aria-label', 'data-copy', 'data-code'],
  ...['xmlns', 'viewbox', 'preserveaspectratio', 'd', 'x1', 'x2', 'y1', 'y2', 'stroke-width'],
  ...['height', 'width'],
]
/** KaTeX's lengths and colours, a table's alignment; nothing that loads or leaves its place. */
const STYLE_NAME =
  /^(?:(?:border|margin|padding)[a-z-]*|(?:min-)?width|height|top|bottom|left|vertical-align|position|(?:background-)?color|text-(?:align|shadow))$/
const STYLE_VALUE = /^(?!fixed|sticky|absolute)[#a-z0-9.+ -]+$/i

const LINK = /^(?:https?:|mailto:)/i
const SVG = ['svg', 'path', 'line']

/**
 * The browser's own sanitiser where it has one: DOMPurify asks for every attribute of every element
 * from outside, which is most of what showing a formula costs.
 */
function browsersOwn(): ((html: string) => Node) | null {
  const { Sanitizer } = globalThis as { Sanitizer?: new (config: object) => object }
  if (!Sanitizer || !('setHTML' in Element.prototype)) return null
  const namespace = 'http://www.w3.org/2000/svg'
  const sanitizer = new Sanitizer({
    elements: [
      ...TAGS.filter((name) => !SVG.includes(name)),
      ...SVG.map((name) => ({ name, namespace })),
    ],
    attributes: [...ATTRIBUTES, 'viewBox', 'preserveAspectRatio'],
    comments: false,
    dataAttributes: false,
  })
  return (html) => {
    const box = document.createElement('div') as unknown as HTMLElement & {
      setHTML: (html: string, options: { sanitizer: object }) => void
    }
    box.setHTML(html, { sanitizer })
    const nodes = document.createDocumentFragment()
    nodes.append(...box.childNodes)
    return nodes
  }
}

function byLibrary(): (html: string) => Node {
  const purifier = DOMPurify()
  // Once: given with each call, its lists would be read again for each block.
  purifier.setConfig({
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ADD_URI_SAFE_ATTR: ['aria-label'],
    // Nodes, not HTML: nothing is read a second time, perhaps in another way.
    RETURN_DOM_FRAGMENT: true,
    // Every attribute value goes through this, so it also lets values without a scheme pass.
    ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
  })
  return (html) => purifier.sanitize(html) as unknown as DocumentFragment
}

const sanitize = browsersOwn() ?? byLibrary()

/** What both leave to us: how links open, and which styles there may be. */
function finish(root: Node): Node {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT)
  while (walker.nextNode()) {
    const element = walker.currentNode as Element
    if (element.localName === 'a') {
      if (!LINK.test(element.getAttribute('href') ?? '')) element.removeAttribute('href')
      element.setAttribute('target', '_blank')
      element.setAttribute('rel', 'noopener noreferrer nofollow')
    }
    const style = element.getAttribute('style')
    if (style !== null && !isHarmless(style)) element.removeAttribute('style')
  }
  return root
}

export interface RenderOptions {
  labels: Labels
  /** Off while a fence is open: highlighting it at each flush is what makes pages stutter. */
  highlight?: boolean
  references?: Record<string, unknown>
}

export function renderMarkdown(source: string, options: RenderOptions): Node {
  const env: Env = { highlight: options.highlight ?? true, labels: options.labels }
  if (options.references) env.references = options.references
  try {
    return finish(sanitize(md.render(source, env)))
  } catch {
    // Whatever a model found that our libraries cannot read, its words can be shown.
    const plain = document.createElement('p')
    plain.className = 'plain'
    plain.textContent = source
    return plain
  }
}

function isHarmless(style: string): boolean {
  return style.split(';').every((rule) => {
    const [name = '', value = ''] = rule.split(':').map((part) => part.trim())
    return !rule.trim() || (STYLE_NAME.test(name) && STYLE_VALUE.test(value))
  })
}

/** The link references that the whole text defines. */
export function referencesOf(source: string): Record<string, unknown> {
  const env: { references?: Record<string, unknown> } = {}
  md.block.parse(source, md, env, [])
  return env.references ?? {}
}

/**
 * Converts HTML of our Markdown libraries into nodes that cannot run code, load anything or leave
 * their place on the page.
 *
 * One policy, two engines: the browser's Sanitizer where it exists, otherwise DOMPurify. The library
 * alone would do, but it takes two to four times as long (0.2 → 0.9 ms for a paragraph with a table,
 * 0.8 → 3 ms for two formulas), and every growing block is sanitised again at each flush. Both
 * engines are given the lists below and remove an unlisted element with its content; `restrict` adds
 * the rules that neither can express. A browser test compares what both leave of hostile texts.
 */
import DOMPurify from 'dompurify'

/** The elements and attributes that markdown-it, highlight.js and KaTeX write with our options. */
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
/** KaTeX's lengths and colours, a table's alignment. Nothing with `url()`, nothing fixed. */
const STYLE_NAME =
  /^(?:(?:border|margin|padding)[a-z-]*|(?:min-)?width|height|top|bottom|left|vertical-align|position|(?:background-)?color|text-(?:align|shadow))$/
const STYLE_VALUE = /^(?!fixed|sticky|absolute)[#a-z0-9.+ -]+$/i

const LINK = /^(?:https?:|mailto:)/i
const SVG = ['svg', 'path', 'line']

/** Safe nodes for the HTML of one block. */
export function sanitize(html: string): Node {
  return restrict(clean(html))
}

const clean = browserEngine() ?? libraryEngine()

/** The browser's own sanitiser, or null where it has none. */
function browserEngine(): ((html: string) => Node) | null {
  const { Sanitizer } = globalThis as { Sanitizer?: new (config: object) => object }
  if (!Sanitizer || !('setHTML' in Element.prototype)) return null
  const namespace = 'http://www.w3.org/2000/svg'
  const sanitizer = new Sanitizer({
    elements: [
      ...TAGS.filter((name) => !SVG.includes(name)),
      ...SVG.map((name) => ({ name, namespace })),
    ],
    // Attributes of SVG are case-sensitive here; DOMPurify compares them in lower case.
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

function libraryEngine(): (html: string) => Node {
  const purifier = DOMPurify()
  // Set once: a configuration passed with each call would be parsed again for each block.
  purifier.setConfig({
    // The text nodes have to be named, because KEEP_CONTENT is off.
    ALLOWED_TAGS: ['#text', ...TAGS],
    ALLOWED_ATTR: ATTRIBUTES,
    KEEP_CONTENT: false,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ADD_URI_SAFE_ATTR: ['aria-label'],
    // Nodes instead of HTML, which a second parser could read in another way.
    RETURN_DOM_FRAGMENT: true,
    // Checked for every attribute value, so values without a scheme have to pass, too.
    ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
  })
  return (html) => purifier.sanitize(html) as unknown as DocumentFragment
}

/** Restricts links to web addresses in a new tab, and styles to the listed names and values. */
function restrict(root: Node): Node {
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

function isHarmless(style: string): boolean {
  return style.split(';').every((rule) => {
    const [name = '', value = ''] = rule.split(':').map((part) => part.trim())
    return !rule.trim() || (STYLE_NAME.test(name) && STYLE_VALUE.test(value))
  })
}

/**
 * Markdown of a model → safe HTML. Knows nothing of panes or streams.
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

const purifier = DOMPurify()
purifier.addHook('uponSanitizeAttribute', (_node, data) => {
  if (data.attrName === 'style' && !isHarmless(data.attrValue)) data.keepAttr = false
})
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName !== 'A') return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer nofollow')
})

const SANITIZE = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ATTRIBUTES,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ADD_URI_SAFE_ATTR: ['aria-label'],
  // Every attribute value goes through this, so it also lets values without a scheme pass.
  ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
}

// Once: given with each call, its lists would be read again for each block.
purifier.setConfig(SANITIZE)

export interface RenderOptions {
  labels: Labels
  /** Off while a fence is open: highlighting it at each flush is what makes pages stutter. */
  highlight?: boolean
  references?: Record<string, unknown>
}

export function renderMarkdown(source: string, options: RenderOptions): string {
  const env: Env = { highlight: options.highlight ?? true, labels: options.labels }
  if (options.references) env.references = options.references
  try {
    return purifier.sanitize(md.render(source, env))
  } catch {
    // Whatever a model found that our libraries cannot read, its words can be shown.
    return `<p class="plain">${md.utils.escapeHtml(source)}</p>`
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

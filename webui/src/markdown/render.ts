/**
 * Markdown of a model → safe HTML.
 *
 * Knows markdown-it, KaTeX and DOMPurify; knows nothing of panes or streams. HTML written by a
 * model stays text; pictures become links, so that an answer cannot fetch anything by itself.
 * This module is heavy and is only loaded on demand.
 */
import { katex } from '@mdit/plugin-katex'
import DOMPurify from 'dompurify'
import MarkdownIt from 'markdown-it'
import 'katex/dist/katex.min.css'
import { highlight } from './highlight'

export interface Labels {
  copy: string
}

interface Env {
  highlight: boolean
  labels: Labels
  references?: Record<string, unknown>
}

export const md: MarkdownIt = new MarkdownIt({ html: false, linkify: true, breaks: false }).use(
  katex,
  { delimiters: 'all', throwOnError: false, strict: 'ignore', trust: false },
)

// `example.py` and the like must not become links.
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false })

md.renderer.rules.fence = (tokens, index, _options, env: Env) => {
  const token = tokens[index]!
  const language = (token.info.trim().split(/\s+/)[0] ?? '').toLowerCase()
  return codeBlock(token.content, language, env)
}
md.renderer.rules.code_block = (tokens, index, _options, env: Env) =>
  codeBlock(tokens[index]!.content, '', env)

md.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!
  const source = escape(String(token.attrGet('src') ?? ''))
  return `<a href="${source}">${escape(token.content || source)}</a>`
}

md.renderer.rules.table_open = () => '<div class="table-wrap" tabindex="0"><table>'
md.renderer.rules.table_close = () => '</table></div>'

function codeBlock(code: string, language: string, env: Env): string {
  const body = (env.highlight && language && highlight(code, language)) || escape(code)
  const copy = escape(env.labels.copy)
  return (
    `<div class="code"><div class="code-head"><span>${escape(language)}</span>` +
    `<button type="button" class="code-copy" data-copy="1">${copy}</button></div>` +
    `<pre tabindex="0"><code>${body}</code></pre></div>`
  )
}

function escape(text: string): string {
  return md.utils.escapeHtml(text)
}

const purifier = DOMPurify()
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName !== 'A') return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer nofollow')
})

const SANITIZE = {
  USE_PROFILES: { html: true, mathMl: true, svg: true },
  ADD_TAGS: ['semantics'],
  // The TeX source inside KaTeX's MathML would be read out a second time.
  FORBID_CONTENTS: ['annotation'],
  FORBID_TAGS: ['annotation', 'img', 'form', 'input', 'style', 'video', 'audio', 'image', 'use'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
}

export interface RenderOptions {
  labels: Labels
  /** Off while a fence is open: highlighting it at each flush is what makes pages stutter. */
  highlight?: boolean
  references?: Record<string, unknown>
}

export function renderMarkdown(source: string, options: RenderOptions): string {
  const env: Env = { highlight: options.highlight ?? true, labels: options.labels }
  if (options.references) env.references = options.references
  return purifier.sanitize(md.render(source, env), SANITIZE)
}

/** The link references that the whole text defines. */
export function referencesOf(source: string): Record<string, unknown> {
  const env: { references?: Record<string, unknown> } = {}
  md.block.parse(source, md, env, [])
  return env.references ?? {}
}

/**
 * Markdown of a model → HTML that still has to be sanitised (see render.ts).
 *
 * HTML written by a model stays text; pictures become links, so that an answer cannot fetch
 * anything by itself.
 */
import { katex } from '@mdit/plugin-katex'
import MarkdownIt from 'markdown-it'
import 'katex/dist/katex.min.css'
import { highlight } from './highlight'

export interface Labels {
  copy: string
}

export interface Env {
  highlight: boolean
  labels: Labels
  references?: Record<string, unknown>
}

export const md: MarkdownIt = new MarkdownIt({ html: false, linkify: true, breaks: false }).use(
  katex,
  { delimiters: 'all', throwOnError: false, trust: false, logger: () => 'ignore' },
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

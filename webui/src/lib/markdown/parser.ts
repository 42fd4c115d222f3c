/**
 * Markdown of a model → HTML that still has to be sanitised (see render.ts).
 *
 * HTML written by a model stays text; pictures become links, so that an answer cannot fetch
 * anything by itself.
 */
import { katex } from '@mdit/plugin-katex'
import MarkdownIt from 'markdown-it'
import { renderToString } from 'katex'
import 'katex/dist/katex.min.css'
import { codeOf, INVISIBLE } from '../text/invisible'
import { highlight } from './highlight'
import { isTooDeep, limit } from './limits'

export interface Labels {
  copy: string
}

export interface Env {
  highlight: boolean
  labels: Labels
  references?: Record<string, unknown>
}

const LONGEST_FORMULA = 4000
/** em; a formula may not be larger than its pane by much. */
const LARGEST = 50

export const md: MarkdownIt = new MarkdownIt({ html: false, linkify: true, breaks: false })
  .use(katex, { delimiters: 'all' })
  .use(limit)

// What does not name another place would lead into this page, with workers of a model's choice.
md.validateLink = (url) => /^(?:https?:\/\/|mailto:)/i.test(url)

// `example.py` and the like must not become links.
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false })

md.renderer.rules.fence = (tokens, index, _options, env: Env) => {
  const token = tokens[index]!
  const language = (token.info.trim().split(/\s+/)[0] ?? '').toLowerCase()
  return codeBlock(token.content, language, env)
}
md.renderer.rules.code_block = (tokens, index, _options, env: Env) =>
  codeBlock(tokens[index]!.content, '', env)

md.renderer.rules.code_inline = (tokens, index) =>
  `<code>${showUnseen(escape(tokens[index]!.content))}</code>`
md.renderer.rules.math_inline = (tokens, index) => formula(tokens[index]!.content, false)
md.renderer.rules.math_block = (tokens, index) =>
  `<p class="katex-block">${formula(tokens[index]!.content, true)}</p>\n`

md.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!
  const source = escape(String(token.attrGet('src') ?? ''))
  return `<a href="${source}">${escape(token.content || source)}</a>`
}

md.renderer.rules.table_open = () => '<div class="table-wrap" tabindex="0"><table>'
md.renderer.rules.table_close = () => '</table></div>'

function codeBlock(code: string, language: string, env: Env): string {
  const coloured = env.highlight && language ? highlight(code, language) : null
  const body = coloured === null || isTooDeep(coloured) ? escape(code) : coloured
  const copy = escape(env.labels.copy)
  const shown = showUnseen(body)
  return (
    `<div class="code"><div class="code-head"><span>${escape(language)}</span>` +
    `<button type="button" class="code-copy" data-copy="1">${copy}</button></div>` +
    `<pre tabindex="0"><code>${shown}</code></pre></div>`
  )
}

/** Code is read by what it does, so what changes its look is shown; a copy still has it. */
function showUnseen(html: string): string {
  return html.replace(
    INVISIBLE,
    (char) => `<span class="unseen" data-code="${codeOf(char)}">${char}</span>`,
  )
}

function formula(source: string, displayMode: boolean): string {
  if (source.length > LONGEST_FORMULA) return escape(source)
  try {
    const html = renderToString(source, {
      displayMode,
      throwOnError: false,
      // Its MathML beside it, unseen, would double what is parsed, sanitised and laid out.
      output: 'html',
      trust: false,
      strict: 'ignore',
      maxSize: LARGEST,
      // New for each, or a macro of one answer would change the formulas of all others.
      macros: {},
    })
    return isTooDeep(html) ? escape(source) : readable(html, source, displayMode)
  } catch {
    // Too deeply nested for KaTeX's recursion.
    return escape(source)
  }
}

/** KaTeX's HTML means nothing to a screen reader; what was written does. */
function readable(html: string, source: string, displayMode: boolean): string {
  if (html.startsWith('<span class="katex-error"')) return html
  // What may scroll sideways must be reachable by keyboard.
  const focus = displayMode ? ' tabindex="0"' : ''
  const label = escape(source.trim())
  return html.replace('<span', () => `<span role="math" aria-label="${label}"${focus}`)
}

function escape(text: string): string {
  return md.utils.escapeHtml(text)
}

/**
 * Converts Markdown of a model to HTML, which has to be sanitised before use (see render.ts).
 *
 * HTML in the text is shown as text. Images become links, so that an answer cannot load anything.
 */
import { katex } from '@mdit/plugin-katex'
import { renderToString } from 'katex'
import MarkdownIt from 'markdown-it'
import { codeOf, INVISIBLE } from '../text/invisible'
import { highlight } from './highlight'
import { isTooDeep, limit } from './limits'
import 'katex/dist/katex.min.css'

export interface Labels {
  copy: string
}

export interface Env {
  highlight: boolean
  labels: Labels
  references?: Record<string, unknown>
}

/** Characters; a longer formula is shown as it was written. */
const LONGEST_FORMULA = 4000
/** Largest size within a formula, in em: little more than the width of a pane. */
const LARGEST = 50

export const md: MarkdownIt = new MarkdownIt({ html: false, linkify: true, breaks: false })
  .use(katex, { delimiters: 'all' })
  .use(limit)

// Only absolute addresses: a relative one would open this page with an address that the model chose,
// and an address of this page can add workers.
md.validateLink = (url) => /^(?:https?:\/\/|mailto:)/i.test(url)

// Names such as `example.py` must not become links.
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false })

md.renderer.rules.fence = (tokens, index, _options, env: Env) => {
  const token = tokens[index]!
  const language = (token.info.trim().split(/\s+/)[0] ?? '').toLowerCase()
  return codeBlock(token.content, language, env)
}
md.renderer.rules.code_block = (tokens, index, _options, env: Env) =>
  codeBlock(tokens[index]!.content, '', env)

md.renderer.rules.code_inline = (tokens, index) =>
  `<code>${showInvisible(escape(tokens[index]!.content))}</code>`
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
  const shown = showInvisible(body)
  return (
    `<div class="code"><div class="code-head"><span>${escape(language)}</span>` +
    `<button type="button" class="code-copy" data-copy="1">${copy}</button></div>` +
    `<pre tabindex="0"><code>${shown}</code></pre></div>`
  )
}

/** Makes invisible characters in code visible, by CSS; the text that is copied keeps them. */
function showInvisible(html: string): string {
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
      // Without MathML, which is not shown and would double the nodes to parse and sanitise.
      output: 'html',
      trust: false,
      strict: 'ignore',
      maxSize: LARGEST,
      // A new object each time: KaTeX stores global macros in it, which would then change the
      // formulas of all other answers.
      macros: {},
    })
    return isTooDeep(html) ? escape(source) : readable(html, source, displayMode)
  } catch {
    // Any exception: KaTeX raises a RangeError for formulas too deep for its recursion. The source
    // is shown instead.
    return escape(source)
  }
}

/** Labels a formula with its source, which a screen reader can read, unlike KaTeX's HTML. */
function readable(html: string, source: string, displayMode: boolean): string {
  if (html.startsWith('<span class="katex-error"')) return html
  // A displayed formula may scroll sideways and must be reachable by keyboard for that.
  const focus = displayMode ? ' tabindex="0"' : ''
  const label = escape(source.trim())
  return html.replace('<span', () => `<span role="math" aria-label="${label}"${focus}`)
}

function escape(text: string): string {
  return md.utils.escapeHtml(text)
}

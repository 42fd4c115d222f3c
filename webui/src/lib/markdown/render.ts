/**
 * Renders Markdown of a model as safe nodes.
 *
 * With its libraries it is the heaviest part of the page, so it is loaded on demand only.
 */
import { md } from './parser'
import type { Env, Labels } from './parser'
import { sanitize } from './sanitize'

export interface RenderOptions {
  labels: Labels
  /** Off while a code block is still open: highlighting it again at each flush is too slow. */
  highlight?: boolean
  /** Link references of the whole text, of which `source` is one block. */
  references?: Record<string, unknown>
}

/** Nodes for a Markdown text. */
export function renderMarkdown(source: string, options: RenderOptions): Node {
  const env: Env = { highlight: options.highlight ?? true, labels: options.labels }
  if (options.references) env.references = options.references
  try {
    return sanitize(md.render(source, env))
  } catch {
    // A text may drive the libraries into an error, such as too deep a recursion. Any exception is
    // caught: the text can be shown without markup, and the answer must not disappear.
    const plain = document.createElement('p')
    plain.className = 'plain'
    plain.textContent = source
    return plain
  }
}

/** The link references that a text defines. */
export function referencesOf(source: string): Record<string, unknown> {
  const env: { references?: Record<string, unknown> } = {}
  md.block.parse(source, md, env, [])
  return env.references ?? {}
}

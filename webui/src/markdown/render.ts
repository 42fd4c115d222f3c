/**
 * Markdown of a model → safe HTML. Knows nothing of panes or streams.
 *
 * This module is heavy and is only loaded on demand.
 */
import DOMPurify from 'dompurify'
import { md } from './parser'
import type { Env, Labels } from './parser'

const purifier = DOMPurify()
purifier.addHook('afterSanitizeAttributes', (node) => {
  // What may scroll sideways must be reachable by keyboard.
  if (node.classList.contains('katex-display')) node.setAttribute('tabindex', '0')
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
  return purifier.sanitize(md.render(source, env))
}

/** The link references that the whole text defines. */
export function referencesOf(source: string): Record<string, unknown> {
  const env: { references?: Record<string, unknown> } = {}
  md.block.parse(source, md, env, [])
  return env.references ?? {}
}

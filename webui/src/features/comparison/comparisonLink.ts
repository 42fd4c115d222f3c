/**
 * Writes a comparison as an address of the page, and reads one:
 * `?worker=URL&pane={"settings":{…},"system":"…"}&worker=URL&prompt=…&layout=rows`.
 *
 * A `pane` belongs to the `worker` before it and is JSON, plain or in base64url. An address never
 * contains an API key.
 */
import { BadUrl, normalizeUrl } from '../../api/url'
import { BadFile } from '../../conversation/import/document'
import { DocumentField } from '../../conversation/import/document'
import { MAX_PANES } from '../../conversation/panes'
import type { Layout, Pane } from '../../conversation/panes'

type LinkPane = Pick<Pane, 'workerUrl' | 'settings' | 'system'>

export interface Comparison {
  panes: LinkPane[]
  prompt: string
  layout: Layout
}

/** Characters; many servers and proxies refuse addresses much longer than this. */
export const MAX_LINK = 8_000

/** The address of a comparison; null if it would be too long. */
export function linkOf(page: string, { panes, prompt, layout }: Comparison): string | null {
  const parts = panes.flatMap(({ workerUrl, settings, system }) => {
    const details = {
      ...(Object.keys(settings).length ? { settings } : {}),
      ...(system.trim() ? { system } : {}),
    }
    const worker = `worker=${encodeURIComponent(workerUrl)}`
    return Object.keys(details).length
      ? [worker, `pane=${shorter(JSON.stringify(details))}`]
      : [worker]
  })
  if (prompt) parts.push(`prompt=${encodeURIComponent(prompt)}`)
  if (layout === 'rows') parts.push('layout=rows')
  const link = `${page}?${parts.join('&')}`
  return link.length > MAX_LINK ? null : link
}

/** The comparison of an address. Invalid workers and panes are left out. */
export function readLink(search: string, host: string): Comparison {
  const query = new URLSearchParams(search)
  const panes: LinkPane[] = []
  let last: LinkPane | null = null
  for (const [name, value] of query) {
    if (name === 'worker') {
      last = workerOf(value, host)
      if (last && panes.length < MAX_PANES) panes.push(last)
    } else if (name === 'pane' && last) Object.assign(last, aboutOf(value))
  }
  const layout = query.get('layout') === 'rows' ? 'rows' : 'columns'
  return { panes, prompt: query.get('prompt') ?? '', layout }
}

function workerOf(text: string, host: string): LinkPane | null {
  try {
    return { workerUrl: normalizeUrl(text, host), settings: {}, system: '' }
  } catch (error) {
    if (error instanceof BadUrl) return null
    throw error
  }
}

/** Settings and system prompt of a `pane`. Any error means that a person or program wrote it wrongly. */
function aboutOf(text: string): Partial<LinkPane> {
  try {
    const details = new DocumentField(JSON.parse(text.startsWith('{') ? text : decoded(text)), '')
    return {
      settings: details.at('settings').maybe((field) => field.settings()) ?? {},
      system: details.at('system').maybe((field) => field.text()) ?? '',
    }
  } catch (error) {
    const unusable = [BadFile, SyntaxError, DOMException, TypeError]
    if (unusable.some((kind) => error instanceof kind)) return {}
    throw error
  }
}

/** The shorter encoding: base64url halves Chinese, but makes English longer. */
function shorter(json: string): string {
  const [plain, base64] = [encodeURIComponent(json), encoded(json)]
  return plain.length <= base64.length ? plain : base64
}

function encoded(text: string): string {
  const bytes = new TextEncoder().encode(text)
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
  return base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

function decoded(text: string): string {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0))
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

/** Normalises addresses of workers. */

/** An address that is not one of a worker, and why. */
export class BadUrl extends Error {
  constructor(readonly reason: 'empty' | 'malformed' | 'scheme' | 'credentials') {
    super(`not a worker's address: ${reason}`)
  }
}

/**
 * The address of a worker in one form, without a trailing slash; it also identifies the worker.
 *
 * Accepts `localhost:8081`, `:8081`, `8081` (on `host`) and `HTTP://Host:8081/`. Raises BadUrl.
 */
export function normalizeUrl(input: string, host = '127.0.0.1'): string {
  let text = input.trim()
  if (!text) throw new BadUrl('empty')
  // Before parsing: a bare port would be read as an IPv4 address written as one number.
  if (/^:?\d{2,5}$/.test(text)) text = `${host}:${text.replace(':', '')}`
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) text = `http://${text}`
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new BadUrl('malformed')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new BadUrl('scheme')
  // fetch refuses addresses with credentials, and a password would end up in exports.
  if (url.username || url.password) throw new BadUrl('credentials')
  if (!url.hostname) throw new BadUrl('malformed')
  return url.origin + url.pathname.replace(/\/+$/, '')
}

/** The address without its scheme, for display. */
export function displayUrl(url: string): string {
  return url.replace(/^https?:\/\//, '')
}

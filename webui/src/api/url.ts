/** Turns what a person types into the address of a worker. Knows no network. */

export class BadUrl extends Error {
  constructor(readonly reason: 'empty' | 'malformed' | 'scheme' | 'credentials') {
    super(`not a worker's address: ${reason}`)
  }
}

/**
 * `localhost:8081`, `:8081`, `8081` and `HTTP://Host:8081/` all become one form without a
 * trailing slash, which also serves as the worker's identity. Raises BadUrl.
 */
export function normalizeUrl(input: string, host = '127.0.0.1'): string {
  let text = input.trim()
  if (!text) throw new BadUrl('empty')
  // A bare port would otherwise be read as an IPv4 address written as one number.
  if (/^:?\d{2,5}$/.test(text)) text = `${host}:${text.replace(':', '')}`
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) text = `http://${text}`
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new BadUrl('malformed')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new BadUrl('scheme')
  // fetch refuses such addresses, and a password in an address ends up in exports.
  if (url.username || url.password) throw new BadUrl('credentials')
  if (!url.hostname) throw new BadUrl('malformed')
  return url.origin + url.pathname.replace(/\/+$/, '')
}

/** A short form for people: no scheme. */
export function displayUrl(url: string): string {
  return url.replace(/^https?:\/\//, '')
}

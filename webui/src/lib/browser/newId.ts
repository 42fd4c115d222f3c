/**
 * Makes random identifiers of 16 hexadecimal digits.
 *
 * `crypto.randomUUID` exists only on https and on loopback addresses. The page is also served by
 * plain http on a local network, where only `getRandomValues` is there.
 */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

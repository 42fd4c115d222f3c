/**
 * Replaces invisible characters in texts from outside by their code, as ⟨U+202E⟩.
 *
 * Some characters reorder the text around them or are not drawn at all. In a worker's name they could
 * reverse the rest of a line of the page, or make one name look like another.
 */
import { isObject } from './json'

/** Names and messages are cut after this number of characters. */
const LONGEST = 4000

/**
 * Control characters, soft hyphens, zero-width characters, marks and overrides of direction, tags.
 * Not the joiners: emoji and several scripts need them.
 */
export const INVISIBLE =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** The name of a character by its code, as `U+202E`. */
export function codeOf(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}

/** For names, titles and messages. An answer's text is shown unchanged, in its own block. */
export function escapeInvisible(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return short.replace(INVISIBLE, (char) => `⟨${codeOf(char)}⟩`)
}

/** The same for all strings and keys of a JSON value. */
export function escapeInvisibleDeep<T>(value: T): T {
  if (typeof value === 'string') return escapeInvisible(value) as T
  if (Array.isArray(value)) return value.map(escapeInvisibleDeep) as T
  if (!isObject(value)) return value
  const entries = Object.entries(value).map(([key, inner]) => [
    escapeInvisible(key),
    escapeInvisibleDeep(inner),
  ])
  return Object.fromEntries(entries) as T
}

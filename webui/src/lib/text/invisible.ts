/**
 * What others wrote, made fit to stand among our own words. Knows no DOM.
 *
 * Some characters reorder the text around them, or do not show at all: a worker's name could turn
 * the rest of its line around, or look like another's. They are replaced by their code.
 */
const LONGEST = 4000

/** Controls, soft hyphens, zero widths, marks and overrides of direction, tags. Not the joiners. */
export const INVISIBLE =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** `U+202E` */
export function codeOf(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}

/** For names, titles and messages; an answer's text is shown as it came, in a block of its own. */
export function escapeInvisible(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return short.replace(INVISIBLE, (char) => `⟨${codeOf(char)}⟩`)
}

/** The same for each string in something that came as JSON. */
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

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Compares two texts word by word.
 *
 * Words are found by the browser's segmenter, because Chinese has no spaces between them. Spaces
 * belong to the word before them, and their number makes no difference except at the start of a line.
 */
import { diffArrays } from 'diff'

export interface Part {
  kind: 'same' | 'removed' | 'added'
  text: string
}

export interface Difference {
  parts: Part[]
  /** `lines` where comparing words would take too long. */
  unit: 'words' | 'lines'
  removed: number
  added: number
}

/** Limits: characters of both texts together, and milliseconds. */
const BOUNDS = {
  words: { size: 100_000, time: 3000 },
  lines: { size: 1_000_000, time: 2000 },
}
type Unit = keyof typeof BOUNDS

/** The difference; null if the texts are too long or too different for the limits. */
export function compare(before: string, after: string, bounds = BOUNDS): Difference | null {
  for (const unit of ['words', 'lines'] as const) {
    const { size, time } = bounds[unit]
    if (before.length + after.length > size) continue
    const difference = compareBy(unit, before, after, time)
    if (difference) return difference
  }
  return null
}

function compareBy(unit: Unit, before: string, after: string, time: number): Difference | null {
  const split = unit === 'words' ? wordsOf : linesOf
  const [old, now] = [split(before), split(after)]
  // Words are numbered, because the algorithm compares numbers faster than strings.
  const numbers = new Map<string, number>()
  const numberOf = (text: string) => {
    const key = text.trimEnd() || text
    const known = numbers.get(key) ?? numbers.size
    numbers.set(key, known)
    return known
  }
  const changes = diffArrays(old.map(numberOf), now.map(numberOf), { timeout: time })
  if (!changes) return null
  const parts: Part[] = []
  const counts = { removed: 0, added: 0 }
  let [oldAt, nowAt] = [0, 0]
  for (const { added, removed, count } of changes) {
    const kind = added ? 'added' : removed ? 'removed' : 'same'
    const words = removed ? old.slice(oldAt, oldAt + count) : now.slice(nowAt, nowAt + count)
    if (!added) oldAt += count
    if (!removed) nowAt += count
    if (kind !== 'same') counts[kind] += words.filter((word) => word.trim()).length
    parts.push({ kind, text: words.join('') })
  }
  return { parts, unit, ...counts }
}

let segmenter: Intl.Segmenter | null | undefined

export function wordsOf(text: string): string[] {
  segmenter ??= 'Segmenter' in Intl ? new Intl.Segmenter([], { granularity: 'word' }) : null
  const pieces = segmenter
    ? Array.from(segmenter.segment(text), ({ segment }) => segment)
    : (text.match(/[^\S\n]+|\p{Script=Han}|[\p{L}\p{M}\p{N}_]+|[^]/gu) ?? [])
  const words: string[] = []
  for (const piece of pieces) {
    const last = words.at(-1)
    if (last && !last.endsWith('\n') && /^[^\S\n]+$/.test(piece)) words.push(words.pop() + piece)
    else words.push(piece)
  }
  return words
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

/** What a hostile model may write, as data: `hostile.json`. */
import samples from './hostile.json'

/** A text, or a text and how often it is repeated. */
type Part = string | [string, number]

const ALL = samples as { name: string; parts: Part[] }[]

export const HOSTILE = ALL.map(({ name, parts }) => ({ name, text: join(parts) }))

/** Those that repeat something, with any number of repetitions. */
export const REPEATED = ALL.filter(({ parts }) => parts.some(isRepeated)).map(
  ({ name, parts }) => ({
    name,
    repeated: (count: number) =>
      join(parts.map((part) => (isRepeated(part) ? [part[0], count] : part))),
  }),
)

function join(parts: Part[]): string {
  return parts.map((part) => (isRepeated(part) ? part[0].repeat(part[1]) : part)).join('')
}

function isRepeated(part: Part): part is [string, number] {
  return typeof part !== 'string'
}

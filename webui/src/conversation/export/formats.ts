/** The formats in which sessions are exported, and the name of an exported file. */
import type { Session } from '../sessions'

export const FORMATS = ['json', 'jsonl', 'markdown', 'csv'] as const
/** Not translated: the formats have these names in every language. */
export const FORMAT_NAMES = { json: 'JSON', jsonl: 'JSONL', markdown: 'Markdown', csv: 'CSV' }
export type Format = (typeof FORMATS)[number]

export function exportName(sessions: Session[], now: Date, extension: string): string {
  const day = now.toISOString().slice(0, 10)
  const onlyId = sessions.length === 1 ? `${sessions[0]!.id}-` : ''
  return `chatzoo-${onlyId}${day}.${extension}`
}

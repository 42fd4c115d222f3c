/** Sessions as JSONL or CSV: a row for each version of each answer. */
import { metricsOf } from '../metrics'
import { labelOf } from '../sessions'
import type { Session } from '../sessions'
import { versionsOf } from '../turns'

/** A row for each version of each answer, with everything that is needed to read it alone. */
function rowsOf(session: Session) {
  return session.panes.flatMap((pane, paneIndex) =>
    pane.turns.flatMap((turn, turnIndex) =>
      versionsOf(turn).map((answer, index) => {
        const metrics = metricsOf(answer)
        return {
          session_id: session.id,
          session: labelOf(session),
          pane: paneIndex + 1,
          worker: pane.workerName,
          url: pane.workerUrl,
          model: answer.model,
          settings: answer.params,
          system: answer.system,
          turn: turnIndex + 1,
          version: index + 1,
          shown: index === turn.earlier.length,
          prompt: turn.prompt,
          answer: answer.text,
          reasoning: answer.reasoning || null,
          queue_ms: metrics.queueMs,
          ttft_ms: metrics.ttftMs,
          tokens_per_second: metrics.tokensPerSecond,
          tokens: metrics.tokens,
          total_ms: metrics.totalMs,
          finish_reason: metrics.finish,
          measured_by: metrics.measuredBy,
          status: answer.status,
          error: answer.error?.message ?? null,
          sent_at: iso(answer.sentAt),
        }
      }),
    ),
  )
}

type Row = ReturnType<typeof rowsOf>[number]

/** The columns of the CSV, and the fields of a JSONL line. */
export const COLUMNS = [
  'session_id',
  'session',
  'pane',
  'worker',
  'url',
  'model',
  'settings',
  'system',
  'turn',
  'version',
  'shown',
  'prompt',
  'answer',
  'reasoning',
  'queue_ms',
  'ttft_ms',
  'tokens_per_second',
  'tokens',
  'total_ms',
  'finish_reason',
  'measured_by',
  'status',
  'error',
  'sent_at',
] as const satisfies (keyof Row)[]

export function exportJsonl(sessions: Session[]): string {
  return sessions
    .flatMap(rowsOf)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('')
}

/** CSV by RFC 4180, with the byte order mark by which spreadsheets recognise UTF-8. */
export function exportCsv(sessions: Session[]): string {
  const rows = sessions.flatMap(rowsOf)
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(','))
  return `\ufeff${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`
}

/** Texts that a spreadsheet would run as a formula; they get an apostrophe in front. */
const FORMULA = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/

function cell(value: Row[keyof Row]): string {
  if (value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

const iso = (at: number) => new Date(at).toISOString()

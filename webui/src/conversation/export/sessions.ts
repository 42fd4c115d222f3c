/**
 * Sessions as files: JSON (everything, can be imported again), JSONL and CSV (a line for each
 * answer), Markdown (to be read). Pure. Field by field, so that nothing gets out that was not
 * meant to.
 */
import type { Session } from '../../features/sessions/sessionDatabase'
import type { StoredPane } from '../../features/arena/arenaStore'
import { metricsOf, versionsOf } from '../reduce'
import type { Answer, Failure } from '../reduce'

export const FORMATS = ['json', 'jsonl', 'markdown', 'csv'] as const
/** The same in every language. */
export const FORMAT_NAMES = { json: 'JSON', jsonl: 'JSONL', markdown: 'Markdown', csv: 'CSV' }
export type Format = (typeof FORMATS)[number]
export const SESSIONS_FORMAT = 'chatzoo-sessions'

export interface TextFile {
  name: string
  type: string
  text: string
}

export function exportName(sessions: Session[], now: Date, extension: string): string {
  const day = now.toISOString().slice(0, 10)
  const one = sessions.length === 1 ? `${sessions[0]!.id}-` : ''
  return `chatzoo-${one}${day}.${extension}`
}

export function exportJson(sessions: Session[], now: Date): string {
  const document = {
    format: SESSIONS_FORMAT,
    version: 2,
    exported_at: now.toISOString(),
    sessions: sessions.map((session) => ({
      id: session.id,
      title: session.title,
      name: session.name || null,
      pinned: session.pinned,
      created_at: iso(session.createdAt),
      updated_at: iso(session.updatedAt),
      panes: session.panes.map(toPane),
    })),
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function toPane({ workerName, workerUrl, settings, system, turns }: StoredPane) {
  return {
    worker: { name: workerName, url: workerUrl },
    settings,
    system: system || null,
    turns: turns.map((turn) => ({
      prompt: turn.prompt,
      /** The number of the version that is shown, from 1. */
      shown: turn.earlier.length + 1,
      versions: versionsOf(turn).map(toAnswer),
    })),
  }
}

function toAnswer(answer: Answer) {
  const { queueMs, ttftMs, totalMs, tokensPerSecond, tokens, finish, measuredBy } =
    metricsOf(answer)
  return {
    text: answer.text,
    reasoning: answer.reasoning || null,
    status: answer.status,
    model: answer.model,
    params: answer.params,
    system: answer.system,
    after: answer.after ?? null,
    metrics: {
      queue_ms: queueMs,
      ttft_ms: ttftMs,
      tokens_per_second: tokensPerSecond,
      tokens,
      total_ms: totalMs,
      finish_reason: finish,
      measured_by: measuredBy,
    },
    finish_reason: answer.finishReason,
    usage: answer.usage,
    timings: answer.timings,
    error: answer.error && toError(answer.error),
    request_id: answer.requestId,
    prompt_tokens: answer.promptTokens,
    dropped_turns: answer.droppedTurns,
    sent_at: iso(answer.sentAt),
    first_at: answer.firstAt === null ? null : iso(answer.firstAt),
    ended_at: answer.endedAt === null ? null : iso(answer.endedAt),
  }
}

function toError({ message, type, param, code, status, retryAfter }: Failure) {
  return {
    message,
    type: type ?? null,
    param: param ?? null,
    code: code ?? null,
    status: status ?? null,
    retry_after: retryAfter ?? null,
  }
}

const iso = (at: number) => new Date(at).toISOString()

/** One answer, with all that is needed to read it alone. */
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

/** RFC 4180, with the mark by which spreadsheets know UTF-8. */
export function exportCsv(sessions: Session[]): string {
  const rows = sessions.flatMap(rowsOf)
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(','))
  return `\ufeff${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`
}

/** A text that a spreadsheet would take for a formula gets an apostrophe before it. */
const FORMULA = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/

function cell(value: Row[keyof Row]): string {
  if (value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export const labelOf = ({ name, title }: Pick<Session, 'name' | 'title'>) => name || title

/**
 * Sessions as JSON, complete enough to be imported again.
 *
 * Every field is named here, so nothing gets into a file that was not meant to, such as an API key.
 */
import { metricsOf } from '../metrics'
import type { StoredPane } from '../panes'
import type { Session } from '../sessions'
import { versionsOf } from '../turns'
import type { Answer, Failure } from '../turns'

/** The value of `format` in the file, by which an import recognises it. */
export const SESSIONS_FORMAT = 'chatzoo-sessions'

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
    after: answer.versionsBefore ?? null,
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
    dropped_turns: answer.droppedMessages,
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

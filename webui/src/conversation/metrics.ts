/** Figures of an answer: times, tokens and the reason why it ended. */
import type { Answer } from './turns'

export interface Metrics {
  queueMs: number | null
  ttftMs: number | null
  totalMs: number | null
  tokensPerSecond: number | null
  tokens: number | null
  finish: string | null
  /** A stopped or broken answer carries no timings of the worker, only the page's own. */
  measuredBy: 'worker' | 'page'
}

/** The figures of an answer; null where something was not measured. Times in milliseconds. */
export function metricsOf(answer: Answer): Metrics {
  const { timings, usage, firstAt, endedAt, sentAt } = answer
  const sinceSent = (at: number | null) => (at === null ? null : Math.max(0, at - sentAt))
  return {
    queueMs: timings?.queue_ms ?? null,
    ttftMs: timings?.ttft_ms ?? sinceSent(firstAt),
    totalMs: timings?.total_ms ?? sinceSent(endedAt),
    tokensPerSecond: timings?.tokens_per_second ?? null,
    tokens: usage?.completion_tokens ?? null,
    finish: answer.finishReason ?? (answer.status === 'stopped' ? 'cancelled' : null),
    measuredBy: timings ? 'worker' : 'page',
  }
}

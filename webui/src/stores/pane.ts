/**
 * What one pane has said and heard, and the one pure function that changes it.
 *
 * Live streams, replays and tests all go through `reduce`. Knows no network, no clock (times come
 * with the events, in milliseconds since the epoch) and no Vue.
 */
import type { ErrorBody, Message, ParamValues, StreamEvent, Timings, Usage } from '../api/wire'

export type AnswerStatus = 'waiting' | 'queued' | 'streaming' | 'done' | 'stopped' | 'error'

export interface Failure extends ErrorBody {
  status?: number | null
  /** seconds */
  retryAfter?: number | null
}

export interface Answer {
  status: AnswerStatus
  text: string
  reasoning: string
  /** Text of the attempt before this one; shown until the new one begins, restored if it fails. */
  kept: { text: string; reasoning: string } | null
  position: number | null
  requestId: string | null
  model: string | null
  promptTokens: number | null
  droppedTurns: number
  finishReason: string | null
  usage: Usage | null
  timings: Timings | null
  error: Failure | null
  params: ParamValues
  system: string | null
  sentAt: number
  firstAt: number | null
  endedAt: number | null
}

export interface Turn {
  id: string
  prompt: string
  answer: Answer
}

export interface PaneState {
  readonly turns: readonly Turn[]
}

interface Asked {
  params: ParamValues
  system: string | null
  at: number
}

export type PaneEvent =
  | ({ type: 'send'; turnId: string; prompt: string } & Asked)
  | ({ type: 'resend' } & Asked)
  | (StreamEvent & { at: number })
  | { type: 'stop'; at: number }
  | { type: 'fail'; failure: Failure; at: number }
  | { type: 'clear' }

export const emptyPane: PaneState = { turns: [] }

export function reduce(pane: PaneState, event: PaneEvent): PaneState {
  switch (event.type) {
    case 'clear':
      return emptyPane
    case 'send': {
      const turn = { id: event.turnId, prompt: event.prompt, answer: newAnswer(event, null) }
      return { turns: [...pane.turns, turn] }
    }
    case 'resend':
      return withLast(pane, (answer) => newAnswer(event, keepable(answer)))
    default:
      return withLast(pane, (answer) => (isBusy(answer) ? step(answer, event) : answer))
  }
}

type AnswerEvent = Exclude<PaneEvent, { type: 'clear' | 'send' | 'resend' }>

function step(answer: Answer, event: AnswerEvent): Answer {
  switch (event.type) {
    case 'queued':
      return { ...answer, status: 'queued', position: event.data.position }
    case 'start':
      return {
        ...answer,
        status: 'streaming',
        position: null,
        requestId: event.data.id,
        model: event.data.model ?? null,
        promptTokens: event.data.prompt_tokens ?? null,
        droppedTurns: event.data.dropped_turns ?? 0,
      }
    case 'delta':
      return {
        ...spoken(answer, event.at),
        text: answer.text + (event.data.text ?? ''),
        reasoning: answer.reasoning + (event.data.reasoning ?? ''),
      }
    case 'replace':
      return {
        ...spoken(answer, event.at),
        text: event.data.text,
        reasoning: event.data.reasoning ?? answer.reasoning,
      }
    case 'done':
      return {
        ...answer,
        status: event.data.finish_reason === 'cancelled' ? 'stopped' : 'done',
        kept: null,
        position: null,
        finishReason: event.data.finish_reason,
        usage: event.data.usage ?? null,
        timings: event.data.timings ?? null,
        endedAt: event.at,
      }
    case 'stop':
      return { ...ended(answer, event.at), status: 'stopped' }
    case 'error':
      return { ...ended(answer, event.at), status: 'error', error: event.data }
    case 'fail':
      return { ...ended(answer, event.at), status: 'error', error: event.failure }
  }
}

function newAnswer({ params, system, at }: Asked, kept: Answer['kept']): Answer {
  return {
    status: 'waiting',
    text: '',
    reasoning: '',
    kept,
    position: null,
    requestId: null,
    model: null,
    promptTokens: null,
    droppedTurns: 0,
    finishReason: null,
    usage: null,
    timings: null,
    error: null,
    params,
    system,
    sentAt: at,
    firstAt: null,
    endedAt: null,
  }
}

function spoken(answer: Answer, at: number): Answer {
  return { ...answer, status: 'streaming', kept: null, firstAt: answer.firstAt ?? at }
}

/** An attempt that ended badly before its first word gives back the text of the one before. */
function ended(answer: Answer, at: number): Answer {
  const silent = !answer.text && !answer.reasoning
  const text = silent && answer.kept ? answer.kept : answer
  return {
    ...answer,
    text: text.text,
    reasoning: text.reasoning,
    kept: null,
    position: null,
    endedAt: at,
  }
}

function keepable({ text, reasoning, kept }: Answer): Answer['kept'] {
  return text || reasoning ? { text, reasoning } : kept
}

function withLast(pane: PaneState, change: (answer: Answer) => Answer): PaneState {
  const last = pane.turns.at(-1)
  if (!last) return pane
  const answer = change(last.answer)
  return answer === last.answer
    ? pane
    : { turns: [...pane.turns.slice(0, -1), { ...last, answer }] }
}

export function isBusy(answer: Answer | undefined): boolean {
  return !!answer && ['waiting', 'queued', 'streaming'].includes(answer.status)
}

export function lastAnswer(pane: PaneState | undefined): Answer | undefined {
  return pane?.turns.at(-1)?.answer
}

/**
 * The conversation as a model sees it. A turn without any answer is left out: two user messages
 * in a row break many chat templates.
 */
export function toMessages(pane: PaneState): Message[] {
  const messages: Message[] = []
  pane.turns.forEach((turn, index) => {
    const open = index === pane.turns.length - 1 && isBusy(turn.answer)
    if (!open && !turn.answer.text) return
    messages.push({ role: 'user', content: turn.prompt })
    if (!open) messages.push({ role: 'assistant', content: turn.answer.text })
  })
  return messages
}

/** A stored pane comes back at rest: whatever still ran when the page closed was interrupted. */
export function atRest(pane: PaneState, at: number): PaneState {
  return reduce(pane, {
    type: 'fail',
    failure: { message: 'the page was closed before the answer ended', code: 'interrupted' },
    at,
  })
}

export interface Metrics {
  queueMs: number | null
  ttftMs: number | null
  totalMs: number | null
  tokensPerSecond: number | null
  tokens: number | null
  finish: string | null
  /** Who held the watch: a stopped or broken answer has only the page's own times. */
  measuredBy: 'worker' | 'page'
}

export function metricsOf(answer: Answer): Metrics {
  const { timings, usage, firstAt, endedAt, sentAt } = answer
  const since = (at: number | null) => (at === null ? null : Math.max(0, at - sentAt))
  return {
    queueMs: timings?.queue_ms ?? null,
    ttftMs: timings?.ttft_ms ?? since(firstAt),
    totalMs: timings?.total_ms ?? since(endedAt),
    tokensPerSecond: timings?.tokens_per_second ?? null,
    tokens: usage?.completion_tokens ?? null,
    finish: answer.finishReason ?? (answer.status === 'stopped' ? 'cancelled' : null),
    measuredBy: timings ? 'worker' : 'page',
  }
}

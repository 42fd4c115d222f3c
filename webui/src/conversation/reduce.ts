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
  /** Which attempt at each turn before it was the one that it goes on from. */
  after?: readonly number[]
  sentAt: number
  firstAt: number | null
  endedAt: number | null
}

/**
 * A prompt and its attempts. `answer` is the one that is shown and that the conversation goes on
 * from; `earlier` and `later` are the others, in the order in which they were asked for.
 */
export interface Turn {
  id: string
  prompt: string
  answer: Answer
  earlier: readonly Answer[]
  later: readonly Answer[]
}

export interface Conversation {
  readonly turns: readonly Turn[]
  /** What the conversation was before turns were taken away, newest last; not stored. */
  readonly past?: readonly (readonly Turn[])[]
}

/** How often taking turns away can be taken back. */
const PAST = 10

interface Asked {
  params: ParamValues
  system: string | null
  at: number
}

export type ConversationEvent =
  | ({ type: 'send'; turnId: string; prompt: string } & Asked)
  | ({ type: 'resend' } & Asked)
  | ({ type: 'edit'; turnId: string; newId: string; prompt: string } & Asked)
  | { type: 'version'; turnId: string; step: -1 | 1 }
  | { type: 'adopt'; turns: readonly Turn[] }
  | { type: 'undo' }
  | { type: 'restore' }
  | (StreamEvent & { at: number })
  | { type: 'stop'; at: number }
  | { type: 'fail'; failure: Failure; at: number }
  | { type: 'clear' }

export const emptyConversation: Conversation = { turns: [] }

export function reduce(pane: Conversation, event: ConversationEvent): Conversation {
  switch (event.type) {
    case 'clear':
      return without(pane, [])
    case 'undo':
      return without(pane, pane.turns.slice(0, -1))
    case 'restore': {
      const turns = pane.past?.at(-1)
      return turns ? { turns, past: pane.past?.slice(0, -1) } : pane
    }
    case 'adopt':
      return without(pane, event.turns)
    case 'send':
      return { ...pane, turns: [...pane.turns, newTurn(event.turnId, event, pane.turns)] }
    case 'edit': {
      const index = pane.turns.findIndex(({ id }) => id === event.turnId)
      if (index < 0) return pane
      const before = pane.turns.slice(0, index)
      return without(pane, [...before, newTurn(event.newId, event, before)])
    }
    case 'resend':
      return withLast(pane, (turn) => ({
        ...turn,
        answer: newAnswer(event, pane.turns.slice(0, -1)),
        earlier: [...turn.earlier, turn.answer, ...turn.later],
        later: [],
      }))
    case 'version':
      return withTurn(pane, event.turnId, (turn) => stepped(turn, event.step))
    default:
      return withLast(pane, (turn) => {
        if (!isBusy(turn.answer)) return turn
        const answer = step(turn.answer, event)
        return answer === turn.answer ? turn : settled({ ...turn, answer })
      })
  }
}

/** Takes turns away, so that it can be taken back. */
function without(pane: Conversation, turns: readonly Turn[]): Conversation {
  if (!pane.turns.length && !turns.length) return pane
  const past = pane.turns.length ? [...(pane.past ?? []), pane.turns].slice(-PAST) : pane.past
  return { turns, past }
}

/** An attempt that ended badly before its first word leaves what was before it. */
function settled(turn: Turn): Turn {
  const { answer, earlier } = turn
  const before = earlier.at(-1)
  const failed = answer.status === 'error' || answer.status === 'stopped'
  if (!before || !failed || answer.text || answer.reasoning) return turn
  const { status, error } = answer
  return {
    ...turn,
    earlier: earlier.slice(0, -1),
    answer: status === 'error' ? { ...before, status, error } : before,
  }
}

function stepped(turn: Turn, by: -1 | 1): Turn {
  const { answer, earlier, later } = turn
  const next = by < 0 ? earlier.at(-1) : later[0]
  if (!next || isBusy(answer)) return turn
  return by < 0
    ? { ...turn, answer: next, earlier: earlier.slice(0, -1), later: [answer, ...later] }
    : { ...turn, answer: next, earlier: [...earlier, answer], later: later.slice(1) }
}

type AnswerEvent =
  (StreamEvent & { at: number }) | Extract<ConversationEvent, { type: 'stop' | 'fail' }>

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
        position: null,
        finishReason: event.data.finish_reason,
        usage: event.data.usage ?? null,
        timings: event.data.timings ?? null,
        endedAt: event.at,
      }
    case 'stop':
      return { ...answer, ...ended(event.at), status: 'stopped' }
    case 'error':
      return { ...answer, ...ended(event.at), status: 'error', error: event.data }
    case 'fail':
      return { ...answer, ...ended(event.at), status: 'error', error: event.failure }
  }
}

function newTurn(id: string, asked: Asked & { prompt: string }, before: readonly Turn[]): Turn {
  return { id, prompt: asked.prompt, answer: newAnswer(asked, before), earlier: [], later: [] }
}

function newAnswer({ params, system, at }: Asked, before: readonly Turn[]): Answer {
  return {
    status: 'waiting',
    text: '',
    reasoning: '',
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
    after: before.map(({ earlier }) => earlier.length),
    sentAt: at,
    firstAt: null,
    endedAt: null,
  }
}

function spoken(answer: Answer, at: number): Answer {
  return { ...answer, status: 'streaming', firstAt: answer.firstAt ?? at }
}

function ended(at: number): Partial<Answer> {
  return { position: null, endedAt: at }
}

function withLast(pane: Conversation, change: (turn: Turn) => Turn): Conversation {
  const last = pane.turns.at(-1)
  return last ? withTurn(pane, last.id, change) : pane
}

function withTurn(pane: Conversation, id: string, change: (turn: Turn) => Turn): Conversation {
  const index = pane.turns.findIndex((turn) => turn.id === id)
  const turn = pane.turns[index]
  if (!turn) return pane
  const changed = change(turn)
  if (changed === turn) return pane
  return { ...pane, turns: pane.turns.with(index, changed) }
}

export function isBusy(answer: Answer | undefined): boolean {
  return !!answer && ['waiting', 'queued', 'streaming'].includes(answer.status)
}

export function lastAnswer(pane: Conversation | undefined): Answer | undefined {
  return pane?.turns.at(-1)?.answer
}

/**
 * The conversation as a model sees it. A turn without any answer is left out: two user messages
 * in a row break many chat templates.
 */
export function toMessages(pane: Conversation): Message[] {
  const messages: Message[] = []
  pane.turns.forEach((turn, index) => {
    const open = index === pane.turns.length - 1 && isBusy(turn.answer)
    if (!open && !turn.answer.text) return
    messages.push({ role: 'user', content: turn.prompt })
    if (!open) messages.push({ role: 'assistant', content: turn.answer.text })
  })
  return messages
}

/** The conversation that an attempt at a turn was asked with, whatever is shown before it now. */
export function askedWith(turns: readonly Turn[], index: number, answer: Answer): Message[] {
  const shown = turns.slice(0, index).map((turn, at) => {
    const then = versionsOf(turn)[answer.after?.[at] ?? turn.earlier.length]
    return { ...turn, answer: then ?? turn.answer }
  })
  return [...toMessages({ turns: shown }), { role: 'user', content: turns[index]!.prompt }]
}

/** All attempts of a turn, in the order in which they were asked for. */
export function versionsOf({ answer, earlier, later }: Turn): Answer[] {
  return [...earlier, answer, ...later]
}

/** Turns of another pane as one's own. */
export function copied(turns: readonly Turn[], newId: () => string): Turn[] {
  return turns.map((turn) => ({ ...turn, id: newId() }))
}

/** A stored pane comes back at rest: whatever still ran when the page closed was interrupted. */
export function atRest(pane: Conversation, at: number): Conversation {
  // Sessions of before there were versions have none.
  const turns = pane.turns.map((turn) => ({
    ...turn,
    earlier: turn.earlier ?? [],
    later: turn.later ?? [],
  }))
  return reduce(
    { turns },
    {
      type: 'fail',
      failure: { message: 'the page was closed before the answer ended', code: 'interrupted' },
      at,
    },
  )
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

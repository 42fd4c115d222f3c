/**
 * Changes a conversation by events: `reduce(conversation, event)` gives the next conversation.
 *
 * Live streams, stored conversations and tests all go through this one pure function. It uses no
 * network, no clock (events carry their time, in milliseconds since the epoch) and no Vue.
 */
import type { ParamValues, StreamEvent } from '../api/wire'
import { isBusy } from './turns'
import type { Answer, Conversation, Failure, Turn } from './turns'

/** Number of earlier states that are kept for "bring removed turns back". */
const PAST = 10

/** What every request carries. */
interface RequestDetails {
  params: ParamValues
  system: string | null
  at: number
}

export type ConversationEvent =
  | ({ type: 'send'; turnId: string; prompt: string } & RequestDetails)
  | ({ type: 'resend' } & RequestDetails)
  | ({ type: 'edit'; turnId: string; newId: string; prompt: string } & RequestDetails)
  | { type: 'version'; turnId: string; step: -1 | 1 }
  | { type: 'adopt'; turns: readonly Turn[] }
  | { type: 'undo' }
  | { type: 'restore' }
  | (StreamEvent & { at: number })
  | { type: 'stop'; at: number }
  | { type: 'fail'; failure: Failure; at: number }
  | { type: 'clear' }

/**
 * The conversation after an event.
 *
 * Returns the same object where an event changes nothing, and shares all turns that it leaves
 * unchanged: Vue compares them by identity, so an event costs the rendering of one turn at most.
 */
export function reduce(conversation: Conversation, event: ConversationEvent): Conversation {
  switch (event.type) {
    case 'clear':
      return replaceTurns(conversation, [])
    case 'undo':
      return replaceTurns(conversation, conversation.turns.slice(0, -1))
    case 'restore': {
      const turns = conversation.past?.at(-1)
      return turns ? { turns, past: conversation.past?.slice(0, -1) } : conversation
    }
    case 'adopt':
      return replaceTurns(conversation, event.turns)
    case 'send':
      return {
        ...conversation,
        turns: [...conversation.turns, newTurn(event.turnId, event, conversation.turns)],
      }
    case 'edit': {
      const index = conversation.turns.findIndex(({ id }) => id === event.turnId)
      if (index < 0) return conversation
      const before = conversation.turns.slice(0, index)
      return replaceTurns(conversation, [...before, newTurn(event.newId, event, before)])
    }
    case 'resend':
      return withLast(conversation, (turn) => ({
        ...turn,
        answer: newAnswer(event, conversation.turns.slice(0, -1)),
        earlier: [...turn.earlier, turn.answer, ...turn.later],
        later: [],
      }))
    case 'version':
      return withTurn(conversation, event.turnId, (turn) => stepped(turn, event.step))
    default:
      return withLast(conversation, (turn) => {
        if (!isBusy(turn.answer)) return turn
        const answer = step(turn.answer, event)
        return answer === turn.answer ? turn : settled({ ...turn, answer })
      })
  }
}

/** Replaces the turns and keeps the old ones in `past`. */
function replaceTurns(conversation: Conversation, turns: readonly Turn[]): Conversation {
  if (!conversation.turns.length && !turns.length) return conversation
  const past = conversation.turns.length
    ? [...(conversation.past ?? []), conversation.turns].slice(-PAST)
    : conversation.past
  return { turns, past }
}

/**
 * A version that failed or was stopped before its first token is dropped, and the version before it
 * is shown again, with the error if there is one. Otherwise a failed "Regenerate" would hide a good
 * answer behind an empty one.
 */
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
        droppedMessages: event.data.dropped_turns ?? 0,
      }
    case 'delta':
      return {
        ...started(answer, event.at),
        text: answer.text + (event.data.text ?? ''),
        reasoning: answer.reasoning + (event.data.reasoning ?? ''),
      }
    case 'replace':
      return {
        ...started(answer, event.at),
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

function newTurn(
  id: string,
  request: RequestDetails & { prompt: string },
  before: readonly Turn[],
): Turn {
  return { id, prompt: request.prompt, answer: newAnswer(request, before), earlier: [], later: [] }
}

function newAnswer({ params, system, at }: RequestDetails, before: readonly Turn[]): Answer {
  return {
    status: 'waiting',
    text: '',
    reasoning: '',
    position: null,
    requestId: null,
    model: null,
    promptTokens: null,
    droppedMessages: 0,
    finishReason: null,
    usage: null,
    timings: null,
    error: null,
    params,
    system,
    versionsBefore: before.map(({ earlier }) => earlier.length),
    sentAt: at,
    firstAt: null,
    endedAt: null,
  }
}

/** The first token sets `firstAt`. */
function started(answer: Answer, at: number): Answer {
  return { ...answer, status: 'streaming', firstAt: answer.firstAt ?? at }
}

function ended(at: number): Partial<Answer> {
  return { position: null, endedAt: at }
}

function withLast(conversation: Conversation, change: (turn: Turn) => Turn): Conversation {
  const last = conversation.turns.at(-1)
  return last ? withTurn(conversation, last.id, change) : conversation
}

function withTurn(
  conversation: Conversation,
  id: string,
  change: (turn: Turn) => Turn,
): Conversation {
  const index = conversation.turns.findIndex((turn) => turn.id === id)
  const turn = conversation.turns[index]
  if (!turn) return conversation
  const changed = change(turn)
  if (changed === turn) return conversation
  return { ...conversation, turns: conversation.turns.with(index, changed) }
}

/**
 * Turns of a conversation: a prompt, the answer to it, and earlier and later versions of the answer.
 *
 * Plain data. What changes it is in reduce.ts. All times are milliseconds since the epoch.
 */
import type { ErrorBody, ParamValues, Timings, Usage } from '../api/wire'

export type AnswerStatus = 'waiting' | 'queued' | 'streaming' | 'done' | 'stopped' | 'error'

export interface Failure extends ErrorBody {
  /** HTTP status; null if there was no response. */
  status?: number | null
  /** Seconds until the worker may be asked again. */
  retryAfter?: number | null
}

export interface Answer {
  status: AnswerStatus
  text: string
  reasoning: string
  /** Place in the worker's queue, while the request waits there. */
  position: number | null
  requestId: string | null
  model: string | null
  promptTokens: number | null
  /** Number of messages that the worker left out of the prompt; `dropped_turns` on the wire. */
  droppedMessages: number
  finishReason: string | null
  usage: Usage | null
  timings: Timings | null
  error: Failure | null
  /** Settings and system prompt that the request was sent with. */
  params: ParamValues
  system: string | null
  /**
   * For each earlier turn: the index of the version whose text this request contained. Missing in
   * answers that were stored before turns had versions; then the present ones are assumed.
   */
  versionsBefore?: readonly number[]
  sentAt: number
  firstAt: number | null
  endedAt: number | null
}

export interface Turn {
  id: string
  prompt: string
  /** The version that is shown and that the conversation continues from. */
  answer: Answer
  /** The other versions, in the order in which they were requested. */
  earlier: readonly Answer[]
  later: readonly Answer[]
}

export interface Conversation {
  readonly turns: readonly Turn[]
  /** Earlier states that "bring removed turns back" restores, newest last. Not stored. */
  readonly past?: readonly (readonly Turn[])[]
}

export const emptyConversation: Conversation = { turns: [] }

export function isBusy(answer: Answer | undefined): boolean {
  return !!answer && ['waiting', 'queued', 'streaming'].includes(answer.status)
}

export function lastAnswer(conversation: Conversation | undefined): Answer | undefined {
  return conversation?.turns.at(-1)?.answer
}

/** All versions of a turn's answer, in the order in which they were requested. */
export function versionsOf({ answer, earlier, later }: Turn): Answer[] {
  return [...earlier, answer, ...later]
}

/** Copies turns for another pane, with new ids. */
export function copied(turns: readonly Turn[], newId: () => string): Turn[] {
  return turns.map((turn) => ({ ...turn, id: newId() }))
}

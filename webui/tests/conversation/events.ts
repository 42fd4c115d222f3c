/** Events of a conversation for tests, and short ways to look at its result. */
import type { StreamEvent } from '../../src/api/wire'
import { reduce } from '../../src/conversation/reduce'
import type { ConversationEvent } from '../../src/conversation/reduce'
import { emptyConversation, lastAnswer, versionsOf } from '../../src/conversation/turns'
import type { Conversation } from '../../src/conversation/turns'

export const asked = { params: { rate: 5 }, system: null, at: 1000 }
export const send = (prompt: string): ConversationEvent => ({
  type: 'send',
  turnId: prompt,
  prompt,
  ...asked,
})
export const resend: ConversationEvent = { type: 'resend', ...asked }
export const at = (time: number, event: StreamEvent): ConversationEvent => ({ ...event, at: time })
export const start = at(1010, {
  type: 'start',
  data: { id: 'req_1', model: 'm', prompt_tokens: 4, queue_ms: 0, dropped_turns: 2 },
})
export const delta = (text: string, time = 1100) => at(time, { type: 'delta', data: { text } })
export const done = (finish_reason: 'stop' | 'length' | 'cancelled' = 'stop') =>
  at(2000, {
    type: 'done',
    data: {
      finish_reason,
      usage: { prompt_tokens: 4, completion_tokens: 7, cached_tokens: 0 },
      timings: { queue_ms: 1, ttft_ms: 40, total_ms: 900, tokens_per_second: 8.5 },
    },
  })
export const fail = (code: string): ConversationEvent => ({
  type: 'fail',
  failure: { message: `${code}!`, code },
  at: 3000,
})

export const run = (...events: ConversationEvent[]) => events.reduce(reduce, emptyConversation)
export const last = (pane: Conversation) => lastAnswer(pane)!
export const texts = (pane: Conversation) => versionsOf(pane.turns.at(-1)!).map(({ text }) => text)
export const prompts = (pane: Conversation) => pane.turns.map(({ prompt }) => prompt)

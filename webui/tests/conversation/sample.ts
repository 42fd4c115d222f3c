/** A session with everything that can be in one: two panes, versions, an error, reasoning. */

import type { StoredPane } from '../../src/conversation/panes'
import { reduce } from '../../src/conversation/reduce'
import type { ConversationEvent } from '../../src/conversation/reduce'
import { titleOf } from '../../src/conversation/sessions'
import type { Session } from '../../src/conversation/sessions'
import { emptyConversation } from '../../src/conversation/turns'

const asked = { params: { seed: 1, stop: ['a', 'b'], mode: null }, system: 'be kind', at: 1000 }
const send = (prompt: string): ConversationEvent => ({
  type: 'send',
  turnId: prompt,
  prompt,
  ...asked,
})
const start: ConversationEvent = {
  type: 'start',
  data: { id: 'r1', model: 'fox-7b', prompt_tokens: 4, queue_ms: 1.5, dropped_turns: 2 },
  at: 1100,
}
const say = (text: string, reasoning?: string): ConversationEvent => ({
  type: 'delta',
  data: { text, ...(reasoning ? { reasoning } : {}) },
  at: 1200,
})
const done: ConversationEvent = {
  type: 'done',
  data: {
    finish_reason: 'stop',
    usage: { prompt_tokens: 4, completion_tokens: 12, cached_tokens: 3 },
    timings: { queue_ms: 1.5, ttft_ms: 20, total_ms: 320.25, tokens_per_second: 40.5 },
  },
  at: 1400,
}
const fail: ConversationEvent = {
  type: 'fail',
  failure: { message: 'no | room', code: 'queue_full', status: 429, retryAfter: 3 },
  at: 1300,
}

export function pane(id: string, ...events: ConversationEvent[]): StoredPane {
  const settings = { temperature: 0.5 }
  const worker = { workerUrl: `http://${id}:1`, workerName: id.toUpperCase() }
  return { id, ...worker, settings, system: '', ...events.reduce(reduce, emptyConversation) }
}

export function session(id: string, panes: StoredPane[], part: Partial<Session> = {}): Session {
  return {
    id,
    title: titleOf(panes),
    name: '',
    pinned: false,
    createdAt: 1,
    updatedAt: 2,
    paneNames: panes.map(({ workerName }) => workerName),
    panes,
    ...part,
  }
}

export function sample(): Session {
  const again: ConversationEvent = { type: 'resend', ...asked }
  const versions = [start, say('one'), done, again, start, say('two', 'hm'), done]
  const back: ConversationEvent = { type: 'version', turnId: 'Say "hi", 狐', step: -1 }
  const fox = pane('fox', send('Say "hi", 狐'), ...versions, back, send('more'), say('part'), fail)
  const owl = pane('owl', send('Say "hi", 狐'), start, say('=1+1\n```py\nopen'), done)
  return session('s1', [fox, owl], { name: 'My foxes', pinned: true })
}

/** Turns of a conversation as the messages of a request. */
import type { Message } from '../api/wire'
import { isBusy, versionsOf } from './turns'
import type { Answer, Turn } from './turns'

/**
 * The messages that ask for the answer to the last turn.
 *
 * A turn whose answer is empty is left out: many chat templates refuse two user messages in a row.
 */
export function toMessages(turns: readonly Turn[]): Message[] {
  const messages: Message[] = []
  turns.forEach((turn, index) => {
    const isOpen = index === turns.length - 1 && isBusy(turn.answer)
    if (!isOpen && !turn.answer.text) return
    messages.push({ role: 'user', content: turn.prompt })
    if (!isOpen) messages.push({ role: 'assistant', content: turn.answer.text })
  })
  return messages
}

/**
 * The messages that `answer`, a version of the turn at `index`, was requested with. The turns before
 * it may show other versions by now; `answer.versionsBefore` lists those that were sent.
 */
export function messagesBehind(turns: readonly Turn[], index: number, answer: Answer): Message[] {
  const before = turns.slice(0, index).map((turn, at) => {
    const sent = versionsOf(turn)[answer.versionsBefore?.[at] ?? turn.earlier.length]
    return { ...turn, answer: sent ?? turn.answer }
  })
  return [...toMessages(before), { role: 'user', content: turns[index]!.prompt }]
}

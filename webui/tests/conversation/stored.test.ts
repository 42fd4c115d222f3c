import { describe, expect, it } from 'vitest'
import { atRest } from '../../src/conversation/stored'
import { isBusy } from '../../src/conversation/turns'
import type { Conversation } from '../../src/conversation/turns'
import { delta, done, last, resend, run, send, start } from './events'

describe('atRest', () => {
  it('ends a running answer with its text, and leaves an ended one unchanged', () => {
    const running = run(send('q'), start, delta('half'))
    expect(last(atRest(running, 9))).toMatchObject({
      status: 'error',
      text: 'half',
      error: { code: 'interrupted' },
    })
    expect(isBusy(last(atRest(running, 9)))).toBe(false)
    const ended = run(send('q'), start, done())
    expect(atRest(ended, 9)).toEqual(ended)
  })

  it('reads the field names of version 0.1.0, in all versions of an answer', () => {
    const answered = [start, delta('A'), done()]
    const present = run(send('a'), ...answered, send('b'), ...answered, resend, ...answered)
    expect(last(present)).toMatchObject({ versionsBefore: [0], droppedMessages: 2 })
    expect(atRest(withOldNames(present), 9)).toEqual(present)
  })

  it('reads turns that were stored before they had versions', () => {
    const present = run(send('q'), start, done())
    const { id, prompt, answer } = present.turns[0]!
    const stored = { turns: [{ id, prompt, answer }] } as unknown as Conversation
    expect(atRest(stored, 9)).toEqual(present)
  })
})

function withOldNames(conversation: Conversation): Conversation {
  const text = JSON.stringify(conversation)
    .replaceAll('"versionsBefore"', '"after"')
    .replaceAll('"droppedMessages"', '"droppedTurns"')
  return JSON.parse(text) as Conversation
}

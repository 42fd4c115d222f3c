import { describe, expect, it } from 'vitest'
import { toMessages } from '../../src/conversation/messages'
import { reduce } from '../../src/conversation/reduce'
import type { ConversationEvent } from '../../src/conversation/reduce'
import { copied, emptyConversation } from '../../src/conversation/turns'
import {
  asked,
  send,
  resend,
  at,
  start,
  delta,
  done,
  fail,
  run,
  last,
  texts,
  prompts,
} from './events'

describe('reduce', () => {
  it('changes from waiting through queued and streaming to done', () => {
    const queued = (position: number) =>
      at(1005, { type: 'queued', data: { id: 'req_1', position } })
    expect(last(run(send('q')))).toMatchObject({ status: 'waiting', text: '', params: { rate: 5 } })
    expect(last(run(send('q'), queued(2)))).toMatchObject({ status: 'queued', position: 2 })
    expect(last(run(send('q'), queued(2), queued(1)))).toMatchObject({ position: 1 })
    expect(last(run(send('q'), queued(1), start))).toMatchObject({
      status: 'streaming',
      position: null,
      model: 'm',
      droppedMessages: 2,
    })
    expect(last(run(send('q'), start, delta('He'), delta('llo'), done()))).toMatchObject({
      status: 'done',
      text: 'Hello',
      finishReason: 'stop',
      firstAt: 1100,
      endedAt: 2000,
    })
  })

  it('keeps reasoning apart, and replaces text by `replace`', () => {
    const think = at(1050, { type: 'delta', data: { reasoning: 'hm' } })
    const replace = at(1200, { type: 'replace', data: { text: 'new', reasoning: null } })
    const answer = last(run(send('q'), start, think, delta('old'), replace, delta('er')))
    expect(answer).toMatchObject({ text: 'newer', reasoning: 'hm', firstAt: 1050 })
    const replacement = at(1300, { type: 'replace', data: { text: 'b', reasoning: 'a' } })
    expect(last(run(send('q'), start, think, replace, replacement))).toMatchObject({
      text: 'b',
      reasoning: 'a',
    })
  })

  it('does not change its argument', () => {
    const before = run(send('q'), start, delta('a'))
    const copy = structuredClone(before)
    reduce(before, delta('b'))
    reduce(before, done())
    expect(before).toEqual(copy)
  })

  it('keeps the text when something fails', () => {
    const error = at(1200, { type: 'error', data: { message: 'no', code: 'out_of_memory' } })
    expect(last(run(send('q'), start, delta('half'), error))).toMatchObject({
      status: 'error',
      text: 'half',
      error: { code: 'out_of_memory' },
      endedAt: 1200,
    })
    expect(last(run(send('q'), start, delta('half'), fail('connection_lost')))).toMatchObject({
      status: 'error',
      text: 'half',
    })
  })

  it('calls an answer that the worker cancelled stopped', () => {
    expect(last(run(send('q'), start, delta('half'), done('cancelled'))).status).toBe('stopped')
  })

  it('ignores events after the end', () => {
    const stopped = run(send('q'), start, delta('half'), { type: 'stop', at: 1200 })
    expect(last(stopped)).toMatchObject({ status: 'stopped', text: 'half' })
    for (const late of [delta('x'), done(), fail('x'), start]) {
      expect(reduce(stopped, late)).toBe(stopped)
    }
  })

  it('keeps every version except those that ended before their first token', () => {
    const first = run(send('q'), start, delta('half'), fail('connection_lost'))
    const again = reduce(first, resend)
    expect(last(again)).toMatchObject({ status: 'waiting', text: '', error: null })
    expect(again.turns[0]!.earlier).toEqual([last(first)])
    const spoken = [start, delta('new'), done()].reduce(reduce, again)
    expect(texts(spoken)).toEqual(['half', 'new'])
    const failedAgain = [resend, fail('unreachable')].reduce(reduce, spoken)
    expect(texts(failedAgain)).toEqual(['half', 'new'])
    expect(last(failedAgain)).toMatchObject({
      text: 'new',
      status: 'error',
      error: { code: 'unreachable' },
      timings: { total_ms: 900 },
    })
    expect([resend, { type: 'stop', at: 5 } as ConversationEvent].reduce(reduce, spoken)).toEqual(
      spoken,
    )
  })

  it('steps through versions, and continues from the one that is shown', () => {
    const two = run(send('q'), start, delta('a'), done(), resend, start, delta('b'), done())
    const step = (by: -1 | 1): ConversationEvent => ({ type: 'version', turnId: 'q', step: by })
    const back = reduce(two, step(-1))
    expect(last(back).text).toBe('a')
    expect(texts(back)).toEqual(['a', 'b'])
    expect(reduce(back, step(-1))).toBe(back)
    expect(reduce(back, step(1))).toEqual(two)
    expect(reduce(two, step(1))).toBe(two)
    expect(toMessages(reduce(back, send('r')).turns)[1]).toEqual({
      role: 'assistant',
      content: 'a',
    })
    const third = [resend, start, delta('c'), done()].reduce(reduce, back)
    expect(texts(third)).toEqual(['a', 'b', 'c'])
    const busy = reduce(third, resend)
    expect(reduce(busy, step(-1))).toBe(busy)
  })

  it('steps in an earlier turn while a later one streams', () => {
    const attempts = run(send('q'), start, delta('a'), done(), resend, start, delta('b'), done())
    const open = [send('r'), start, delta('x')].reduce(reduce, attempts)
    const back = reduce(open, { type: 'version', turnId: 'q', step: -1 })
    expect(back.turns.map(({ answer }) => answer.text)).toEqual(['a', 'x'])
  })

  it('removes turns and restores them', () => {
    const talk = run(send('one'), start, delta('1'), done(), send('two'), start, delta('2'), done())
    const undone = reduce(talk, { type: 'undo' })
    expect(prompts(undone)).toEqual(['one'])
    const edit: ConversationEvent = {
      type: 'edit',
      turnId: 'one',
      newId: 'n',
      prompt: 'eins',
      ...asked,
    }
    const edited = reduce(undone, edit)
    expect(prompts(edited)).toEqual(['eins'])
    expect(last(edited).status).toBe('waiting')
    const cleared = reduce(edited, { type: 'clear' })
    let back = cleared
    for (const wanted of [['eins'], ['one'], ['one', 'two']]) {
      back = reduce(back, { type: 'restore' })
      expect(prompts(back)).toEqual(wanted)
    }
    expect(reduce(back, { type: 'restore' })).toBe(back)
    expect(reduce(talk, { ...edit, turnId: 'none' })).toBe(talk)
    expect(reduce(emptyConversation, { type: 'undo' })).toBe(emptyConversation)
  })

  it('adopts the turns of another pane', () => {
    const theirs = run(send('one'), start, delta('1'), done())
    const mine = run(send('mine'), start, delta('0'), done())
    let count = 0
    const adopted = reduce(mine, {
      type: 'adopt',
      turns: copied(theirs.turns, () => `n${count++}`),
    })
    expect(prompts(adopted)).toEqual(['one'])
    expect(adopted.turns[0]!.id).toBe('n0')
    expect(prompts(reduce(adopted, { type: 'restore' }))).toEqual(['mine'])
  })

  it('clears, and has nothing to do in an empty pane', () => {
    expect(run(send('q'), { type: 'clear' }).turns).toEqual([])
    expect(reduce(emptyConversation, delta('x'))).toBe(emptyConversation)
    expect(reduce(emptyConversation, resend)).toBe(emptyConversation)
  })

  it('gives the same conversation when events are replayed', () => {
    const recording = [send('q'), start, delta('a'), delta('b'), done(), send('r'), fail('x')]
    expect(run(...recording)).toEqual(run(...recording))
  })
})

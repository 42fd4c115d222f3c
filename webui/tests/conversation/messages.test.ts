import { describe, expect, it } from 'vitest'
import { messagesBehind, toMessages } from '../../src/conversation/messages'
import { send, resend, start, delta, done, fail, run, last } from './events'

describe('toMessages', () => {
  it('is the whole conversation with the open question at the end', () => {
    const pane = run(send('one'), start, delta('1'), done(), send('two'))
    expect(toMessages(pane.turns)).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: '1' },
      { role: 'user', content: 'two' },
    ])
  })

  it('leaves a turn without an answer out, and keeps a broken one', () => {
    const pane = run(
      send('one'),
      fail('x'),
      send('two'),
      start,
      delta('half'),
      fail('x'),
      send('3'),
    )
    expect(toMessages(pane.turns).map(({ content }) => content)).toEqual(['two', 'half', '3'])
  })

  it('leaves out the old answer when it is regenerated', () => {
    const pane = run(send('one'), start, delta('1'), done(), resend)
    expect(toMessages(pane.turns)).toEqual([{ role: 'user', content: 'one' }])
  })
})

describe('messagesBehind', () => {
  const answered = (text: string) => [start, delta(text), done()]
  const say = (content: string) => ({ role: 'assistant', content })
  const ask = (content: string) => ({ role: 'user', content })

  it('is the conversation before an answer, and its prompt', () => {
    const { turns } = run(send('a'), ...answered('A'), send('b'), ...answered('B'))
    expect(messagesBehind(turns, 0, turns[0]!.answer)).toEqual([ask('a')])
    expect(messagesBehind(turns, 1, turns[1]!.answer)).toEqual([ask('a'), say('A'), ask('b')])
  })

  it('contains the version that the answer continued from', () => {
    const pane = run(
      send('a'),
      ...answered('A1'),
      resend,
      ...answered('A2'),
      send('b'),
      ...answered('B'),
      { type: 'version', turnId: 'a', step: -1 },
    )
    expect(pane.turns[0]!.answer.text).toBe('A1')
    expect(messagesBehind(pane.turns, 1, last(pane))).toEqual([ask('a'), say('A2'), ask('b')])
    const old = { ...last(pane), versionsBefore: undefined }
    expect(messagesBehind(pane.turns, 1, old)).toEqual([ask('a'), say('A1'), ask('b')])
  })

  it('leaves out turns without an answer', () => {
    const { turns } = run(send('a'), fail('queue_full'), send('b'), ...answered('B'))
    expect(messagesBehind(turns, 1, turns[1]!.answer)).toEqual([ask('b')])
  })
})

import { describe, expect, it } from 'vitest'
import { counterpart, marksOf } from '../../src/conversation/matching'
import { reduce } from '../../src/conversation/reduce'
import type { ConversationEvent } from '../../src/conversation/reduce'
import { emptyConversation } from '../../src/conversation/turns'
import type { Turn } from '../../src/conversation/turns'

let count = 0
function turn(prompt: string, text: string, at = 0, end: 'done' | 'none' | 'stop' = 'done'): Turn {
  const asked = { params: {}, system: null, at }
  const events: ConversationEvent[] = [
    { type: 'send', turnId: `t${++count}`, prompt, ...asked },
    { type: 'delta', data: { text }, at },
  ]
  if (end === 'done') events.push({ type: 'done', data: { finish_reason: 'stop' } as never, at })
  if (end === 'stop') events.push({ type: 'stop', at })
  return events.reduce(reduce, emptyConversation).turns[0]!
}
const verdicts = (...panes: Turn[][]) => {
  const marks = marksOf(panes)
  return panes.map((turns) => turns.map(({ id }) => marks.get(id)))
}

describe('counterpart', () => {
  it('is the turn with the same prompt', () => {
    const [a, b] = [turn('x', 'A', 1), turn('x', 'B', 2)]
    expect(counterpart(a, [a], [turn('y', 'Y', 1), b])).toBe(b)
    expect(counterpart(a, [a], [turn('z', 'B', 1)])).toBeUndefined()
  })

  it('is the one of the same moment where a prompt was sent twice', () => {
    const own = [turn('x', '1', 100), turn('x', '2', 900)]
    const [late] = [turn('x', 'B', 901)]
    expect(counterpart(own[1]!, own, [late])).toBe(late)
    expect(counterpart(own[0]!, own, [late])).toBeUndefined()
  })
})

describe('marks', () => {
  it('count the other answers with the same text, ignoring space around it', () => {
    const [[a], [b], [c]] = verdicts(
      [turn('x', 'yes')],
      [turn('x', ' yes\n')],
      [turn('x', 'no')],
    ) as [[unknown], [unknown], [unknown]]
    expect(a).toMatchObject({ same: 1, others: 2 })
    expect(b).toMatchObject({ same: 1, others: 2 })
    expect(c).toMatchObject({ same: 0, others: 2 })
  })

  it('are made once all have ended', () => {
    const streaming = turn('x', 'yes', 0, 'none')
    expect(verdicts([turn('x', 'yes')], [turn('x', 'yes')], [streaming]).flat()).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('need another answer', () => {
    expect(verdicts([turn('x', 'yes')], [turn('y', 'yes')]).flat()).toEqual([undefined, undefined])
    expect(verdicts([turn('x', 'a')], [turn('x', '', 0, 'stop')]).flat()).toEqual([
      undefined,
      undefined,
    ])
    expect(verdicts([turn('x', 'a')], [turn('x', '')])[0]![0]).toMatchObject({ same: 0, others: 1 })
  })
})

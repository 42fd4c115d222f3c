import { describe, expect, it } from 'vitest'
import { exportJson } from '../../../src/conversation/export/json'
import { BadFile, MAX_BYTES } from '../../../src/conversation/import/document'
import { readSessions } from '../../../src/conversation/import/sessions'
import type { Session } from '../../../src/conversation/sessions'
import { isBusy } from '../../../src/conversation/turns'
import { sample } from '../sample'

const now = new Date(0)
let count = 0
const newId = () => `new-${++count}`
const read = (text: string) => readSessions(text, newId, 5000)
const plain = ({ panes, ...head }: Session) => ({
  ...head,
  id: null,
  panes: panes.map((pane) => ({ ...pane, id: null, turns: pane.turns.map(anonymous) })),
})
const anonymous = <T>(turn: T) => ({ ...turn, id: null })

describe('a file of the JSON export', () => {
  it('restores exported sessions, under new ids', () => {
    const [found] = read(exportJson([sample()], now))
    const failure = { type: null, param: null }
    const [fox] = sample().panes
    const expected = sample()
    const failed = fox!.turns[1]!
    const error = { ...failure, ...failed.answer.error! }
    const answer = { ...failed.answer, error }
    expected.panes[0]!.turns = [fox!.turns[0]!, { ...failed, answer }]
    expect(plain(found!)).toEqual(plain(expected))
    expect(found!.id).not.toBe('s1')
    expect(found!.panes[0]!.id).not.toBe('fox')
  })

  it('is the same when it is exported again', () => {
    const once = exportJson([sample()], now)
    const again = exportJson(read(once), now)
    expect(again.replace(/"id": ".*"/, '')).toBe(once.replace(/"id": ".*"/, ''))
  })

  it('may be of version 1', () => {
    const [found] = read(JSON.stringify(firstVersion()))
    expect(found).toMatchObject({ title: 'q', name: '', pinned: false, createdAt: 1 })
    const [turn] = found!.panes[0]!.turns
    expect(turn).toMatchObject({ prompt: 'q', earlier: [], later: [] })
    expect(turn!.answer).toMatchObject({ text: 'a', status: 'done', params: { seed: 1 } })
  })

  it('ends an answer that was running when the file was written', () => {
    const file = firstVersion()
    file.sessions[0]!.panes[0]!.turns[0]!.answer.status = 'streaming'
    const { answer } = read(JSON.stringify(file))[0]!.panes[0]!.turns[0]!
    expect(isBusy(answer)).toBe(false)
    expect(answer).toMatchObject({ text: 'a', error: { code: 'interrupted' } })
  })
})

describe('a file that cannot be used', () => {
  const reason = (text: string) => {
    try {
      read(text)
    } catch (error) {
      if (error instanceof BadFile) return [error.reason, error.where]
      throw error
    }
    return null
  }

  it('is no JSON, has another format or version, or is too large', () => {
    expect(reason('{')).toEqual(['notJson', ''])
    expect(reason('null')).toEqual(['notOurs', ''])
    expect(reason('{"format": "chatzoo-presets", "version": 1}')).toEqual(['notOurs', ''])
    expect(reason('{"format": "chatzoo-sessions", "version": 3}')).toEqual(['version', '3'])
    expect(reason('['.repeat(MAX_BYTES + 1))).toEqual(['tooLarge', ''])
  })

  const pane = 'sessions[0].panes[0]'
  const turn = `${pane}.turns[0]`
  it.each([
    ['sessions', null],
    ['sessions[0].created_at', 'soon'],
    [`${pane}.worker.url`, 'javascript:alert(1)'],
    [`${pane}.worker.url`, 'http://a:b@c'],
    [`${pane}.settings`, ['x']],
    [`${turn}.prompt`, 3],
    [`${turn}.shown`, 3],
    [`${turn}.shown`, 0],
    [`${turn}.versions[0].status`, 'odd'],
    [`${turn}.versions[0].timings`, 'x'],
    [`${turn}.versions[0].text`, null],
  ])('names the wrong field: %s = %j', (where, value) => {
    expect(reason(spoiled(where, value))).toEqual(['field', where])
  })

  it('has a setting that is no plain value', () => {
    const settings = `${pane}.settings`
    expect(reason(spoiled(settings, { x: { y: 1 } }))).toEqual(['field', `${settings}.x`])
  })

  it('has more panes than a page can have', () => {
    const panes = 'sessions[0].panes'
    expect(reason(spoiled(panes, Array(13).fill({})))).toEqual(['tooMany', panes])
  })

  it('cannot reach a prototype', () => {
    const text = exportJson([sample()], now)
    const hostile = text.replace('"temperature": 0.5', '"__proto__": {"polluted": true}')
    expect(reason(hostile)).toEqual(['field', `${pane}.settings.__proto__`])
  })
})

/** The sample's file with another value at one place. */
function spoiled(where: string, value: unknown): string {
  const file = JSON.parse(exportJson([sample()], now)) as Record<string, unknown>
  const keys = where.split(/[.[\]]+/).filter(Boolean)
  const last = keys.pop()!
  const parent = keys.reduce((at, key) => at[key] as Record<string, unknown>, file)
  parent[last] = value
  return JSON.stringify(file)
}

function firstVersion() {
  const answer = {
    text: 'a',
    reasoning: null,
    status: 'done',
    model: 'm',
    params: { seed: 1 },
    system: null,
    finish_reason: 'stop',
    usage: { prompt_tokens: null, completion_tokens: 1 },
    timings: null,
    error: null,
    sent_at: '1970-01-01T00:00:00.000Z',
  }
  const worker = { name: 'w', url: 'http://w:1' }
  const pane = { worker, settings: {}, system: null, turns: [{ prompt: 'q', answer }] }
  const times = {
    created_at: '1970-01-01T00:00:00.001Z',
    updated_at: '1970-01-01T00:00:00.002Z',
  }
  const session = { id: 'a', title: 'q', ...times, panes: [pane] }
  return { format: 'chatzoo-sessions', version: 1, sessions: [session] }
}

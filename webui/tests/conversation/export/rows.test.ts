import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { COLUMNS, exportCsv, exportJsonl } from '../../../src/conversation/export/rows'
import { pane, sample, session } from '../sample'

describe('JSONL', () => {
  it('has a line for each version of each answer', () => {
    const lines = exportJsonl([sample()]).trimEnd().split('\n')
    const rows = lines.map((line) => JSON.parse(line))
    expect(rows.map((row) => [row.pane, row.turn, row.version, row.shown])).toEqual([
      [1, 1, 1, true],
      [1, 1, 2, false],
      [1, 2, 1, true],
      [2, 1, 1, true],
    ])
    expect(Object.keys(rows[0])).toEqual(COLUMNS)
    expect(rows[2]).toMatchObject({
      session: 'My foxes',
      worker: 'FOX',
      prompt: 'more',
      answer: 'part',
      status: 'error',
      error: 'no | room',
      measured_by: 'page',
    })
  })
})

describe('CSV', () => {
  it('is the same table in the form of RFC 4180', () => {
    const [head, ...rows] = parseCsv(exportCsv([sample()]).replace('\ufeff', ''))
    expect(head).toEqual(COLUMNS)
    expect(rows).toHaveLength(4)
    const cell = (row: number, name: (typeof COLUMNS)[number]) => rows[row]![COLUMNS.indexOf(name)]
    expect(cell(0, 'prompt')).toBe('Say "hi", 狐')
    expect(cell(0, 'tokens_per_second')).toBe('40.5')
    expect(cell(0, 'settings')).toBe('{"seed":1,"stop":["a","b"],"mode":null}')
    expect(cell(2, 'error')).toBe('no | room')
  })

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1'])(
    'is no formula: %j',
    (text) => {
      const prompt = { params: {}, system: null, at: 1, prompt: text, turnId: 't' }
      const one = session('s', [pane('p', { type: 'send', ...prompt })])
      expect(parseCsv(exportCsv([one]))[1]![COLUMNS.indexOf('prompt')]).toBe(`'${text}`)
    },
  )
})

it('has its columns in the documentation', () => {
  const page = readFileSync('../docs/keeping.md', 'utf8')
  const named = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
  expect(named).toEqual(COLUMNS)
})

function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g,
  )) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    if (end !== ',') rows.push([])
  }
  expect(rows.pop()).toEqual([])
  return rows
}

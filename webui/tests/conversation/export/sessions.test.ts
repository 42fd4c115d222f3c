import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  COLUMNS,
  exportCsv,
  exportJson,
  exportJsonl,
  exportName,
} from '../../../src/conversation/export/sessions'
import { exportMarkdown } from '../../../src/conversation/export/report'
import type { Words } from '../../../src/conversation/export/report'
import { pane, sample, session } from '../sample'

const now = new Date(0)
/** Each word is its own name. */
const words = new Proxy({}, { get: (_, name) => name }) as Words

describe('JSON', () => {
  it('says who answered what, in all versions, with settings and measurements', () => {
    const document = JSON.parse(exportJson([sample()], now))
    expect(document).toMatchObject({ format: 'chatzoo-sessions', version: 2 })
    expect(document.exported_at).toBe('1970-01-01T00:00:00.000Z')
    const [one] = document.sessions
    expect(one).toMatchObject({ id: 's1', name: 'My foxes', pinned: true })
    expect(one.panes[0]).toMatchObject({
      worker: { name: 'FOX', url: 'http://fox:1' },
      settings: { temperature: 0.5 },
    })
    const [first] = one.panes[0].turns
    expect(first).toMatchObject({ prompt: 'Say "hi", 狐', shown: 1 })
    expect(first.versions.map(({ text }: { text: string }) => text)).toEqual(['one', 'two'])
    expect(first.versions[1]).toMatchObject({
      reasoning: 'hm',
      params: { seed: 1 },
      system: 'be kind',
      metrics: {
        queue_ms: 1.5,
        ttft_ms: 20,
        tokens_per_second: 40.5,
        tokens: 12,
        total_ms: 320.25,
        finish_reason: 'stop',
        measured_by: 'worker',
      },
    })
  })

  it('holds no key, whatever else a pane may carry', () => {
    const one = sample()
    Object.assign(one.panes[0]!, { apiKey: 'sesame' })
    const files = [exportJson([one], now), exportJsonl([one]), exportCsv([one])]
    for (const text of [...files, exportMarkdown([one], words)]) expect(text).not.toMatch('sesame')
  })

  it('has a name that says what it is', () => {
    expect(exportName([sample()], now, 'json')).toBe('chatzoo-s1-1970-01-01.json')
    expect(exportName([], now, 'md')).toBe('chatzoo-1970-01-01.md')
  })
})

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
  it('is the same table, as RFC 4180 wants it', () => {
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

describe('Markdown', () => {
  const text = exportMarkdown([sample()], words)

  it('has the prompt once, and each pane as a section', () => {
    expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual([
      '# My foxes',
      '## turn 1',
      '### FOX',
      '### OWL',
      '## turn 2',
      '### FOX',
    ])
    expect(text.match(/> Say "hi", 狐/g)).toHaveLength(1)
    expect(text).toContain('<details><summary>version 2 / 2</summary>')
    expect(text).toContain('**failed:** no \\| room')
  })

  it('has a table of the measurements', () => {
    expect(text).toContain('| FOX | fox-7b | 2 ms | 20 ms | 40.5 | 12 | 320 ms | stop |')
  })

  it('ends a code block that an answer left open', () => {
    expect(text).toContain('```py\nopen\n```\n')
  })
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

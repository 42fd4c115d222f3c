import { describe, expect, it } from 'vitest'
import { exportName } from '../../../src/conversation/export/formats'
import { exportJson } from '../../../src/conversation/export/json'
import { exportMarkdown } from '../../../src/conversation/export/report'
import type { Words } from '../../../src/conversation/export/report'
import { exportCsv, exportJsonl } from '../../../src/conversation/export/rows'
import { sample } from '../sample'

const now = new Date(0)
/** Each word is its own name. */
const words = new Proxy({}, { get: (_, name) => name }) as Words

describe('JSON', () => {
  it('contains each answer in all versions, with its worker, settings and measurements', () => {
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

  it('contains no API key, even if a pane does', () => {
    const one = sample()
    Object.assign(one.panes[0]!, { apiKey: 'sesame' })
    const files = [exportJson([one], now), exportJsonl([one]), exportCsv([one])]
    for (const text of [...files, exportMarkdown([one], words)]) expect(text).not.toMatch('sesame')
  })

  it('names the file by its content', () => {
    expect(exportName([sample()], now, 'json')).toBe('chatzoo-s1-1970-01-01.json')
    expect(exportName([], now, 'md')).toBe('chatzoo-1970-01-01.md')
  })
})

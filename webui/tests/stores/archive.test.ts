import 'fake-indexeddb/auto'
import { describe, expect, it } from 'vitest'
import {
  deleteSession,
  exportJson,
  exportName,
  listSessions,
  loadAllSessions,
  loadSession,
  saveSession,
  titleOf,
} from '../../src/stores/archive'
import type { Session } from '../../src/stores/archive'
import { emptyPane, reduce } from '../../src/stores/pane'
import type { PaneState } from '../../src/stores/pane'

const asked = { params: { seed: 1 }, system: 'be kind', at: 0 }

function conversation(...prompts: string[]): PaneState['turns'] {
  return prompts.reduce<PaneState>((pane, prompt) => {
    const sent = reduce(pane, { type: 'send', turnId: prompt, prompt, ...asked })
    return reduce(sent, { type: 'delta', data: { text: `re: ${prompt}` }, at: 10 })
  }, emptyPane).turns
}

function session(id: string, updatedAt: number, ...prompts: string[]): Session {
  const pane = {
    id: `${id}-p`,
    workerUrl: 'http://w:1',
    workerName: 'w',
    settings: { rate: 3 },
    system: '',
    turns: conversation(...prompts),
  }
  return { id, title: titleOf([pane]), createdAt: 1, updatedAt, paneNames: ['w'], panes: [pane] }
}

describe('sessions in the browser', () => {
  it('are listed newest first, found again at rest, and deleted', async () => {
    await saveSession(session('a', 1, 'first'))
    await saveSession(session('b', 2, 'second'))
    await saveSession(session('a', 3, 'first', 'more'))
    expect((await listSessions()).map(({ id }) => id)).toEqual(['a', 'b'])
    const found = await loadSession('a', 50)
    expect(found!.panes[0]!.turns.map(({ prompt }) => prompt)).toEqual(['first', 'more'])
    expect(found!.panes[0]!.turns.at(-1)!.answer).toMatchObject({
      text: 're: more',
      error: { code: 'interrupted' },
    })
    expect(await loadAllSessions()).toHaveLength(2)
    await deleteSession('a')
    expect((await listSessions()).map(({ id }) => id)).toEqual(['b'])
    expect(await loadSession('a', 50)).toBeNull()
  })
})

describe('titleOf', () => {
  const title = (prompt: string) => titleOf(session('a', 1, prompt).panes)
  it('is the first line of the first prompt, without its marks, cut between characters', () => {
    expect(title('# A plan\nwith details')).toBe('A plan')
    expect([...title('狐'.repeat(80))]).toHaveLength(60)
    expect(title('🦊'.repeat(80))).toBe(`${'🦊'.repeat(59)}…`)
    expect(titleOf([])).toBe('')
  })
})

describe('exportJson', () => {
  it('says who answered what with which settings', () => {
    const document = JSON.parse(exportJson([session('a', 1, 'q')], new Date(0)))
    expect(document).toMatchObject({ format: 'chatzoo-sessions', version: 1 })
    expect(document.exported_at).toBe('1970-01-01T00:00:00.000Z')
    const [pane] = document.sessions[0].panes
    expect(pane).toMatchObject({ worker: { name: 'w', url: 'http://w:1' }, settings: { rate: 3 } })
    expect(pane.turns[0]).toMatchObject({
      prompt: 'q',
      answer: { text: 're: q', params: { seed: 1 }, system: 'be kind' },
    })
  })

  it('holds no key, whatever else a pane may carry', () => {
    const one = session('a', 1, 'q')
    Object.assign(one.panes[0]!, { apiKey: 'sesame' })
    expect(exportJson([one], new Date(0))).not.toContain('sesame')
  })

  it('has a name that says what it is', () => {
    expect(exportName([session('a', 1)], new Date(0))).toBe('chatzoo-a-1970-01-01.json')
    expect(exportName([], new Date(0))).toBe('chatzoo-1970-01-01.json')
  })
})

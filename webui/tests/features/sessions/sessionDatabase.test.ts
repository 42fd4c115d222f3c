import { clear } from 'idb-keyval'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ConversationEvent } from '../../../src/conversation/reduce'
import { titleOf } from '../../../src/conversation/sessions'
import type { Session } from '../../../src/conversation/sessions'
import { searchSessions } from '../../../src/features/sessions/searchSessions'
import {
  changeHead,
  db,
  deleteSession,
  listSessions,
  loadAllSessions,
  loadSession,
  saveSession,
} from '../../../src/features/sessions/sessionDatabase'
import { pane, session as sessionOf } from '../../conversation/sample'
import 'fake-indexeddb/auto'

beforeAll(() => clear(db()))

const asked = { params: { seed: 1 }, system: 'be kind', at: 0 }

function session(id: string, updatedAt: number, ...prompts: string[]): Session {
  const events = prompts.flatMap((prompt): ConversationEvent[] => [
    { type: 'send', turnId: prompt, prompt, ...asked },
    { type: 'delta', data: { text: `re: ${prompt}` }, at: 10 },
  ])
  return sessionOf(id, [pane(`${id}-p`, ...events)], { updatedAt })
}

async function search(...words: string[]): Promise<string[]> {
  const found: string[] = []
  for await (const ids of searchSessions(words)) found.push(...ids)
  return found
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
    expect(await loadAllSessions(50)).toHaveLength(2)
    await deleteSession('a')
    expect((await listSessions()).map(({ id }) => id)).toEqual(['b'])
    expect(await loadSession('a', 50)).toBeNull()
  })

  it('keep the name and the pin that another tab gave', async () => {
    await saveSession(session('c', 1, 'q'))
    await changeHead('c', { name: 'Foxes', pinned: true })
    await saveSession(session('c', 2, 'q', 'more'))
    const head = { name: 'Foxes', pinned: true, updatedAt: 2 }
    expect((await listSessions()).find(({ id }) => id === 'c')).toMatchObject(head)
    expect(await loadSession('c', 3)).toMatchObject(head)
  })

  it('are not overwritten by a tab that has not read the last stamp', async () => {
    await saveSession({ ...session('d', 1, 'mine'), stamp: '1' })
    expect(await saveSession({ ...session('d', 2, 'mine'), stamp: '2' }, new Set('1'))).toBe(true)
    expect(await saveSession({ ...session('d', 3, 'late'), stamp: '3' }, new Set('1'))).toBe(false)
    expect((await loadSession('d', 4))!.title).toBe('mine')
  })

  it('are found by words of their prompts and answers, in any case', async () => {
    await saveSession(session('e', 1, 'About Foxes', 'and OWLS'))
    await saveSession(session('f', 1, 'about foxes only'))
    expect(await search('owls', 'foxes')).toEqual(['e'])
    expect((await search('re:', 'about', 'foxes')).sort()).toEqual(['e', 'f'])
    expect(await search('wolves')).toEqual([])
  })
})

describe('titleOf', () => {
  const title = (prompt: string) => titleOf(session('a', 1, prompt).panes)
  it('is the first line of the first prompt, without its marks, cut between characters', () => {
    expect(title('# A plan\nwith details')).toBe('A plan')
    expect([...title('狐'.repeat(80))]).toHaveLength(60)
    expect(title('🦊'.repeat(80))).toBe(`${'🦊'.repeat(59)}…`)
    expect(title('---\nA plan')).toBe('A plan')
    expect(title('***')).toBe('***')
    expect(titleOf([])).toBe('')
  })
})

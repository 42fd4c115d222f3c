import { createPinia, setActivePinia } from 'pinia'
import { describe, expect, it, vi } from 'vitest'
import { useArena } from '../../../src/features/arena/arenaStore'
import { loadSession } from '../../../src/features/sessions/sessionDatabase'
import { useSession } from '../../../src/features/sessions/sessionStore'
import 'fake-indexeddb/auto'

/** One tab; `storage` is what a reload finds again. */
function openTab(storage = memory()) {
  vi.stubGlobal('sessionStorage', storage)
  setActivePinia(createPinia())
  const session = useSession()
  const arena = useArena()
  const say = (prompt: string) => {
    const { id } = arena.panes[0] ?? arena.addPane({ workerUrl: 'http://w:1' })!
    const asked = { params: {}, system: null, at: 1 }
    arena.apply(id, { type: 'send', turnId: prompt, prompt, ...asked })
    arena.apply(id, { type: 'delta', data: { text: `re: ${prompt}` }, at: 2 })
    arena.commit(id)
  }
  const prompts = () => arena.snapshot().flatMap(({ turns }) => turns.map(({ prompt }) => prompt))
  const use = () => vi.stubGlobal('sessionStorage', storage)
  return { session, arena, say, prompts, use, storage }
}

function memory(): Storage {
  const entries = new Map<string, string>()
  return {
    getItem: (key: string) => entries.get(key) ?? null,
    setItem: (key: string, value: string) => void entries.set(key, value),
  } as Storage
}

const promptsOf = async (id: string) =>
  (await loadSession(id, 9))?.panes.flatMap(({ turns }) => turns.map(({ prompt }) => prompt))

describe('two tabs with one session', () => {
  it('do not overwrite each other: the later one continues as a copy', async () => {
    const one = openTab()
    one.say('first')
    await one.session.save()
    const id = one.session.id

    const two = openTab()
    await two.session.open(id)
    expect(two.prompts()).toEqual(['first'])

    one.use()
    one.say('of one')
    await one.session.save()
    two.use()
    two.say('of two')
    await two.session.save()

    expect(await promptsOf(id)).toEqual(['first', 'of one'])
    expect(two.session.forked).toBe(true)
    expect(two.session.id).not.toBe(id)
    expect(await promptsOf(two.session.id)).toEqual(['first', 'of two'])

    two.say('more')
    await two.session.save()
    expect(await promptsOf(two.session.id)).toEqual(['first', 'of two', 'more'])
    await one.session.refresh()
    expect(one.session.heads.map((head) => head.id)).toContain(two.session.id)
  })

  it('writes nothing where nothing changed', async () => {
    const one = openTab()
    one.say('first')
    await one.session.save()
    const two = openTab()
    await two.session.open(one.session.id)
    one.say('more')
    await one.session.save()
    await two.session.save()
    expect(two.session.forked).toBe(false)
    expect(await promptsOf(one.session.id)).toEqual(['first', 'more'])
  })
})

describe('a page that is left', () => {
  it('keeps unsaved changes for the next page of its tab', async () => {
    const before = openTab()
    await before.session.restore()
    before.say('first')
    await before.session.save()
    before.say('second')
    before.session.leave()

    const after = openTab(before.storage)
    expect(await after.session.restore()).toBe(true)
    expect(after.session.id).toBe(before.session.id)
    const [pane] = after.arena.snapshot()
    expect(pane!.turns.at(-1)!.answer).toMatchObject({
      text: 're: second',
      error: { code: 'interrupted' },
    })
    await after.session.save()
    expect(after.session.forked).toBe(false)
    expect(await promptsOf(before.session.id)).toEqual(['first', 'second'])
  })

  it('does not restore a draft that is older than the stored session', async () => {
    const before = openTab()
    await before.session.restore()
    before.say('first')
    before.session.leave()
    await before.session.save()
    before.say('second')
    await before.session.save()
    const after = openTab(before.storage)
    await after.session.restore()
    expect(after.prompts()).toEqual(['first', 'second'])
  })
})

describe('the list', () => {
  it('has names, pinned ones first, and deleted ones come back', async () => {
    const { session, say } = openTab()
    const ids: string[] = []
    for (const prompt of ['a', 'b']) {
      say(prompt)
      await session.save()
      ids.push(session.id)
      await session.startNew()
    }
    const [a, b] = ids as [string, string]
    await session.change(a, { name: 'Foxes', pinned: true })
    expect(session.heads[0]).toMatchObject({ id: a, name: 'Foxes' })

    const removed = await session.remove(a)
    expect(session.heads.map(({ id }) => id)).not.toContain(a)
    expect(await loadSession(a, 9)).toBeNull()
    expect(session.heads.map(({ id }) => id)).toContain(b)

    await session.add([removed!])
    expect(session.heads[0]).toMatchObject({ id: a, name: 'Foxes', pinned: true })
    expect(await promptsOf(a)).toEqual(['a'])
  })
})

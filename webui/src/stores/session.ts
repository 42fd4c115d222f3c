/**
 * The current session and the list of earlier ones.
 *
 * Which session is current belongs to the tab: a reload finds it again, a second tab starts its
 * own. Writes go out one after the other. Knows no network.
 */
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { newId, useArena } from './arena'
import {
  deleteSession,
  exportJson,
  exportName,
  headOf,
  listSessions,
  loadAllSessions,
  loadSession,
  saveSession,
  titleOf,
} from './archive'
import type { Session, SessionHead } from './archive'
import { readTab, writeTab } from './storage'

export const useSession = defineStore('session', () => {
  const arena = useArena()
  const id = ref(newId())
  const createdAt = ref(Date.now())
  const heads = ref<SessionHead[]>([])
  /** Why sessions cannot be kept here; null while they can. */
  const storageError = ref<string | null>(null)
  let writing: Promise<void> = Promise.resolve()

  /** Brings the tab's session back. False: there was none. */
  async function restore(): Promise<boolean> {
    const known = readTab('session')
    let found: Session | null = null
    await guarded(async () => {
      heads.value = await withoutStaleBlanks(await listSessions(), known)
      if (typeof known === 'string') found = await loadSession(known, Date.now())
    })
    if (found) adopt(found)
    else writeTab('session', id.value)
    return found !== null
  }

  function adopt(session: Session) {
    id.value = session.id
    createdAt.value = session.createdAt
    writeTab('session', session.id)
    arena.load(session.panes)
  }

  /** A fresh conversation with the same panes and settings. */
  async function startNew(): Promise<void> {
    await save()
    id.value = newId()
    createdAt.value = Date.now()
    writeTab('session', id.value)
    arena.load(arena.snapshot().map((pane) => ({ ...pane, id: newId(), turns: [] })))
  }

  async function open(other: string): Promise<void> {
    await save()
    await guarded(async () => {
      const session = await loadSession(other, Date.now())
      if (session) adopt(session)
    })
  }

  async function remove(other: string): Promise<void> {
    // The current one goes too, with its turns, or the next save would bring it back.
    if (other === id.value) await startNew()
    await guarded(() => deleteSession(other))
    heads.value = heads.value.filter((head) => head.id !== other)
  }

  function current(): Session {
    const panes = arena.snapshot()
    const title = titleOf(panes)
    const head = { id: id.value, title, createdAt: createdAt.value, updatedAt: Date.now() }
    return { ...head, paneNames: panes.map(({ workerName }) => workerName), panes }
  }

  function save(): Promise<void> {
    const session = current()
    // Vue's proxies cannot be stored: IndexedDB clones what it gets.
    const plain = JSON.parse(JSON.stringify(session)) as Session
    const listed = plain.panes.some(({ turns }) => turns.length)
    if (!listed && !plain.panes.length) return writing
    writing = writing.then(() => guarded(() => saveSession(plain)))
    const others = heads.value.filter((head) => head.id !== plain.id)
    const before = heads.value.find((head) => head.id === plain.id)
    heads.value = before
      ? heads.value.map((head) => (head === before ? headOf(plain) : head))
      : [headOf(plain), ...others]
    return writing
  }

  async function exported(which: string | 'all'): Promise<{ name: string; text: string }> {
    await save()
    const sessions = await sessionsOf(which)
    const now = new Date()
    return { name: exportName(sessions, now), text: exportJson(sessions, now) }
  }

  async function sessionsOf(which: string | 'all'): Promise<Session[]> {
    if (which === id.value) return [current()]
    let found: Session[] = []
    await guarded(async () => {
      const one = which === 'all' ? null : await loadSession(which, Date.now())
      found = which === 'all' ? await loadAllSessions() : one ? [one] : []
    })
    return found.filter(({ panes }) => panes.some(({ turns }) => turns.length))
  }

  async function guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
      storageError.value = null
    } catch (error) {
      storageError.value = error instanceof Error ? error.message : String(error)
    }
  }

  return {
    id,
    heads,
    storageError,
    restore,
    startNew,
    open,
    remove,
    save,
    exported,
  }
})

const DAY_MS = 86_400_000

/** Tabs that were opened and left without a prompt leave a blank session behind. */
async function withoutStaleBlanks(heads: SessionHead[], keep: unknown): Promise<SessionHead[]> {
  const stale = heads.filter(
    ({ id, title, updatedAt }) => !title && id !== keep && updatedAt < Date.now() - DAY_MS,
  )
  for (const { id } of stale) await deleteSession(id)
  return heads.filter((head) => !stale.includes(head))
}

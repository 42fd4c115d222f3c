/**
 * The current session and the list of earlier ones.
 *
 * Which session is current belongs to the tab: a reload finds it again, a second tab starts its
 * own. Two tabs may open the same one; each save has a stamp, so the one that writes over what it
 * has not seen goes on as a copy. Writes go out one after the other. Knows no network.
 */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { newId, useArena } from '../arena/arenaStore'
import type { StoredPane } from '../arena/arenaStore'
import {
  changeHead,
  deleteSession,
  headOf,
  listSessions,
  loadAllSessions,
  loadSession,
  saveSession,
  stampOf,
  titleOf,
} from './sessionDatabase'
import type { Session, SessionHead } from './sessionDatabase'
import { atRest } from '../../conversation/reduce'
import { readTab, writeTab } from '../../lib/browser/storage'

/** What a tab leaves behind for the page that a reload starts: no write to a database would end. */
interface Draft {
  session: Session
  /** The stamps of what it goes on from. */
  stamps: string[]
}

export const useSession = defineStore('session', () => {
  const arena = useArena()
  const id = ref(newId())
  const createdAt = ref(Date.now())
  const heads = ref<SessionHead[]>([])
  /** Why sessions cannot be kept here; null while they can. */
  const storageError = ref<string | null>(null)
  /** Another tab wrote the session that was open here, so this one became a copy. */
  const forked = ref(false)
  let writing: Promise<unknown> = Promise.resolve()
  let pending = 0
  /** The panes as they were written last. */
  let written = ''
  /** Of everything that this page read or wrote of the session. */
  let stamps = new Set<string>()
  /** Where the sessions of such stamps went that another tab had written. */
  const copies = new WeakMap<Set<string>, string>()

  const pinnedFirst = computed(() =>
    [...heads.value].sort((a, b) => Number(b.pinned) - Number(a.pinned)),
  )

  /** Brings the tab's session back. False: there was none. */
  async function restore(): Promise<boolean> {
    const known = readTab('session')
    const draft = readTab('draft') as Draft | null
    writeTab('draft', null)
    let found: Session | null = null
    await guarded(async () => {
      heads.value = await withoutStaleBlanks(await listSessions(), known)
      if (typeof known === 'string') found = await loadSession(known, Date.now())
    })
    const left = draft?.session.id === known ? draft : null
    const latest = newer(left, found)
    if (latest) {
      adopt(latest)
      if (latest !== found) {
        stamps = new Set(left!.stamps)
        written = ''
      }
    } else writeTab('session', id.value)
    return latest !== null
  }

  function begin(other: string, at: number) {
    id.value = other
    createdAt.value = at
    forked.value = false
    stamps = new Set()
    written = ''
    writeTab('session', other)
  }

  function adopt(session: Session) {
    begin(session.id, session.createdAt)
    arena.load(session.panes)
    stamps.add(stampOf(session))
    written = JSON.stringify(arena.snapshot())
  }

  /** A fresh conversation, with the same panes and settings if no others are given. */
  async function startNew(panes?: StoredPane[]): Promise<void> {
    await save()
    begin(newId(), Date.now())
    arena.load(panes ?? arena.snapshot().map((pane) => ({ ...pane, id: newId(), turns: [] })))
  }

  async function open(other: string): Promise<void> {
    await save()
    await guarded(async () => {
      const session = await loadSession(other, Date.now())
      if (session) adopt(session)
    })
  }

  /** Gives back what is needed to bring it back. */
  async function remove(other: string): Promise<Session | null> {
    // The current one goes too, with its turns, or the next save would bring it back.
    if (other === id.value) await startNew()
    let removed: Session | null = null
    await guarded(async () => {
      removed = await loadSession(other, Date.now())
      await deleteSession(other)
    })
    heads.value = heads.value.filter((head) => head.id !== other)
    return removed
  }

  /** Adds sessions that are in no list, those that were deleted or come from a file. */
  async function add(sessions: Session[]): Promise<void> {
    await guarded(async () => {
      for (const session of sessions) await saveSession(session)
    })
    await refresh()
  }

  async function change(
    other: string,
    part: Partial<Pick<SessionHead, 'name' | 'pinned'>>,
  ): Promise<void> {
    heads.value = heads.value.map((head) => (head.id === other ? { ...head, ...part } : head))
    // After what is on its way, which may be the first that the list hears of it.
    writing = writing.then(() => guarded(() => changeHead(other, part)))
    await writing
  }

  /** What other tabs did in the meantime. */
  async function refresh(): Promise<void> {
    await writing
    await guarded(async () => void (heads.value = await listSessions()))
  }

  function current(): Session {
    const panes = arena.snapshot()
    const { name = '', pinned = false } = heads.value.find((head) => head.id === id.value) ?? {}
    const paneNames = panes.map(({ workerName }) => workerName)
    const times = { createdAt: createdAt.value, updatedAt: Date.now() }
    return { id: id.value, title: titleOf(panes), name, pinned, ...times, paneNames, panes }
  }

  function save(): Promise<unknown> {
    const now = JSON.stringify(arena.snapshot())
    if (now === written || !arena.panes.length) return writing
    written = now
    // Vue's proxies cannot be stored: IndexedDB clones what it gets.
    const plain: Session = { ...current(), panes: JSON.parse(now) as StoredPane[], stamp: newId() }
    const known = stamps
    known.add(stampOf(plain))
    pending++
    writing = writing.then(() => guarded(() => write(plain, known))).finally(() => pending--)
    show(headOf(plain))
    return writing
  }

  async function write(session: Session, known: Set<string>): Promise<void> {
    const place = copies.get(known) ?? session.id
    if (await saveSession({ ...session, id: place }, known)) return
    const copy = newId()
    copies.set(known, copy)
    await saveSession({ ...session, id: copy }, known)
    if (known === stamps) {
      id.value = copy
      forked.value = true
      writeTab('session', copy)
    }
    heads.value = await listSessions()
  }

  function show(head: SessionHead) {
    const others = heads.value.filter((other) => other.id !== head.id)
    heads.value =
      others.length < heads.value.length
        ? heads.value.map((other) => (other.id === head.id ? head : other))
        : [head, ...others]
  }

  /** The page is about to go: what is not saved yet waits in the tab. */
  function leave() {
    const session = current()
    if (!session.panes.length) return
    if (JSON.stringify(session.panes) === written && !pending) return
    const draft: Draft = { session, stamps: [...stamps] }
    if (!writeTab('draft', draft)) void save()
  }

  /** Sessions to be exported: those with turns. */
  async function take(which: string | 'all'): Promise<Session[]> {
    await save()
    if (which === id.value) return [current()]
    let found: Session[] = []
    await guarded(async () => {
      const one = which === 'all' ? null : await loadSession(which, Date.now())
      found = which === 'all' ? await loadAllSessions(Date.now()) : one ? [one] : []
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
    heads: pinnedFirst,
    storageError,
    forked,
    restore,
    startNew,
    open,
    remove,
    add,
    change,
    refresh,
    save,
    leave,
    take,
  }
})

/** The draft of a tab, unless somebody wrote after it. */
function newer(draft: Draft | null, found: Session | null): Session | null {
  if (!draft || (found && !draft.stamps.includes(stampOf(found)))) return found
  const { session } = draft
  const panes = session.panes.map((pane) => ({ ...pane, ...atRest(pane, session.updatedAt) }))
  return { ...session, panes }
}

const DAY_MS = 86_400_000

/** Tabs that were opened and left without a prompt leave a blank session behind. */
async function withoutStaleBlanks(list: SessionHead[], keep: unknown): Promise<SessionHead[]> {
  const stale = list.filter(
    ({ id, title, name, updatedAt }) =>
      !title && !name && id !== keep && updatedAt < Date.now() - DAY_MS,
  )
  for (const { id } of stale) await deleteSession(id)
  return list.filter((head) => !stale.includes(head))
}

/**
 * Holds the session that this tab shows and the list of all sessions.
 *
 * Which session is open belongs to the tab: a reload finds it again, a new tab starts its own.
 *
 * Two tabs may have the same session open. Invariant: a tab overwrites only what it has read or
 * written itself. Every save carries a new random stamp; `stamps` holds those that this page has
 * seen. If the stored session has another stamp, another tab has written it, and this tab continues
 * as a copy under a new id (`forked`), so neither loses its turns.
 *
 * Writes are chained on `writing`, one after the other, so an older state never replaces a newer one.
 */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import type { StoredPane } from '../../conversation/panes'
import { headOf, stampOf, titleOf } from '../../conversation/sessions'
import type { Session, SessionHead } from '../../conversation/sessions'
import { newId } from '../../lib/browser/newId'
import { readTab, writeTab } from '../../lib/browser/storage'
import { useArena } from '../arena/arenaStore'
import { withoutStaleBlanks } from './blankSessions'
import {
  changeHead,
  deleteSession,
  listSessions,
  loadAllSessions,
  loadSession,
  saveSession,
} from './sessionDatabase'
import { leaveDraft, newerOf, takeDraft } from './tabDraft'

export const useSession = defineStore('session', () => {
  const arena = useArena()
  const id = ref(newId())
  const createdAt = ref(Date.now())
  const heads = ref<SessionHead[]>([])
  /** Why the browser does not store sessions; null while it does. */
  const storageError = ref<string | null>(null)
  /** Whether this session became a copy, because another tab had written the original. */
  const forked = ref(false)
  let writing: Promise<unknown> = Promise.resolve()
  /** Number of writes that have not ended. */
  let pending = 0
  /** The panes as last handed to the database, in JSON. */
  let written = ''
  let stamps = new Set<string>()
  /** Where a save continues whose session another tab had written: the copy's id, by its stamps. */
  const copies = new WeakMap<Set<string>, string>()

  const pinnedFirst = computed(() =>
    [...heads.value].sort((a, b) => Number(b.pinned) - Number(a.pinned)),
  )

  /** Opens the session that this tab had open before a reload. Returns false if there was none. */
  async function restore(): Promise<boolean> {
    const known = readTab('session')
    const draft = takeDraft()
    let stored: Session | null = null
    await guarded(async () => {
      heads.value = await withoutStaleBlanks(await listSessions(), known)
      if (typeof known === 'string') stored = await loadSession(known, Date.now())
    })
    const ownDraft = draft?.session.id === known ? draft : null
    const latest = newerOf(ownDraft, stored)
    if (latest) {
      adopt(latest)
      if (latest !== stored) {
        // The draft is not in the database yet: the next save must write it.
        stamps = new Set(ownDraft!.stamps)
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

  /** Starts a session with the given panes, or with the present ones without their conversations. */
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

  /** Deletes a session. Returns it, so that `add` can bring it back. */
  async function remove(other: string): Promise<Session | null> {
    // The open session is left first; otherwise the next save would write it again.
    if (other === id.value) await startNew()
    let removed: Session | null = null
    await guarded(async () => {
      removed = await loadSession(other, Date.now())
      await deleteSession(other)
    })
    heads.value = heads.value.filter((head) => head.id !== other)
    return removed
  }

  /** Adds sessions that were deleted before or that come from a file. */
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
    // After pending writes: one of them may be the first to put this session into the list.
    writing = writing.then(() => guarded(() => changeHead(other, part)))
    await writing
  }

  /** Reads the list again, which other tabs may have changed. */
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

  /** Writes the session if it has changed. Resolves when all writes so far have ended. */
  function save(): Promise<unknown> {
    const now = JSON.stringify(arena.snapshot())
    if (now === written || !arena.panes.length) return writing
    written = now
    // Parsed from JSON, because IndexedDB cannot store Vue's proxies.
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
    // Unless another session has been opened meanwhile, this tab continues with the copy.
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

  /** Keeps what is not saved when the page is left; see tabDraft.ts. */
  function leave() {
    const session = current()
    if (!session.panes.length) return
    if (JSON.stringify(session.panes) === written && !pending) return
    if (!leaveDraft({ session, stamps: [...stamps] })) void save()
  }

  /** The sessions to export, by id or all of them; sessions without turns are left out. */
  async function take(which: string | 'all'): Promise<Session[]> {
    await save()
    if (which === id.value) return [current()]
    let sessions: Session[] = []
    await guarded(async () => {
      const session = which === 'all' ? null : await loadSession(which, Date.now())
      sessions = which === 'all' ? await loadAllSessions(Date.now()) : session ? [session] : []
    })
    return sessions.filter(({ panes }) => panes.some(({ turns }) => turns.length))
  }

  /** Runs a database operation; its error becomes `storageError`, as the page works without one. */
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

/**
 * Reads and writes sessions in the browser's database (IndexedDB).
 *
 * The list of sessions is one small entry apart from the sessions, so opening the page does not read
 * every conversation. Name and pin of a session are valid in the list only: a tab may change them
 * while another tab, which holds an older copy, writes the session itself.
 */
import { createStore, del, get, getMany, update } from 'idb-keyval'
import type { UseStore } from 'idb-keyval'
import { headOf, stampOf } from '../../conversation/sessions'
import type { Session, SessionHead } from '../../conversation/sessions'
import { atRest } from '../../conversation/stored'

const INDEX = 'index'
const key = (id: string) => `session:${id}`
let store: UseStore | null = null

/** The database; opened at first use. */
export const db = () => (store ??= createStore('chatzoo', 'sessions'))

/** All sessions, the newest first. */
export async function listSessions(): Promise<SessionHead[]> {
  const heads = (await get<SessionHead[]>(INDEX, db())) ?? []
  return heads.map(withNameAndPin).sort((a, b) => b.updatedAt - a.updatedAt)
}

/**
 * Writes a session. With `known`, the stamps that the caller has read or written, it is written only
 * over one of these; otherwise another tab has written meanwhile and the result is false.
 */
export async function saveSession(session: Session, known?: ReadonlySet<string>): Promise<boolean> {
  let isOurs = true
  const write = (old?: Session) => {
    isOurs = !old || !known || known.has(stampOf(old))
    return isOurs ? session : old!
  }
  // `update` reads and writes in one transaction, so no other tab writes in between.
  await update<Session>(key(session.id), write, db())
  if (!isOurs) return false
  await update<SessionHead[]>(
    INDEX,
    (heads = []) => {
      const before = heads.find(({ id }) => id === session.id)
      const { name, pinned } = withNameAndPin(before ?? session)
      const head = { ...headOf(session), name, pinned }
      return [head, ...heads.filter((other) => other !== before)]
    },
    db(),
  )
  return true
}

export async function changeHead(
  id: string,
  change: Partial<Pick<SessionHead, 'name' | 'pinned'>>,
): Promise<void> {
  await update<SessionHead[]>(
    INDEX,
    (heads = []) => heads.map((head) => (head.id === id ? { ...head, ...change } : head)),
    db(),
  )
}

/** A session with no answer running; null if it is not there. */
export async function loadSession(id: string, now: number): Promise<Session | null> {
  const session = await get<Session>(key(id), db())
  const heads = (await get<SessionHead[]>(INDEX, db())) ?? []
  return session ? restored(session, heads, now) : null
}

export async function deleteSession(id: string): Promise<void> {
  await update<SessionHead[]>(INDEX, (heads = []) => heads.filter((head) => head.id !== id), db())
  await del(key(id), db())
}

export async function loadAllSessions(now: number): Promise<Session[]> {
  const heads = await listSessions()
  const sessions = await loadStored(heads.map(({ id }) => id))
  return sessions.map((session) => restored(session, heads, now))
}

/** Sessions exactly as stored; missing ones are left out. */
export async function loadStored(ids: string[]): Promise<Session[]> {
  const sessions = await getMany<Session | undefined>(ids.map(key), db())
  return sessions.filter((session) => session !== undefined)
}

function restored(session: Session, heads: SessionHead[], now: number): Session {
  const { name, pinned } = withNameAndPin(heads.find(({ id }) => id === session.id) ?? session)
  const panes = session.panes.map((pane) => ({ ...pane, turns: atRest(pane, now).turns }))
  return { ...session, name, pinned, panes }
}

/** Entries stored before sessions had names lack both fields. */
function withNameAndPin<T extends SessionHead>(head: T): T {
  return { ...head, name: head.name ?? '', pinned: head.pinned ?? false }
}

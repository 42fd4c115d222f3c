/**
 * Sessions as they are stored. A session holds panes, settings and turns, never an API key.
 *
 * The list of sessions is one small entry of its own, so that opening the page does not read every
 * conversation. It alone knows what a person called a session and whether it is pinned: those can
 * change while another tab writes the session.
 */
import { createStore, del, get, getMany, update } from 'idb-keyval'
import type { UseStore } from 'idb-keyval'
import type { StoredPane } from '../arena/arenaStore'
import { atRest } from '../../conversation/reduce'

export interface SessionHead {
  id: string
  /** From the first prompt; "" while there is none. */
  title: string
  /** What a person called it; "": its title. */
  name: string
  pinned: boolean
  createdAt: number
  updatedAt: number
  paneNames: string[]
}

export interface Session extends SessionHead {
  panes: StoredPane[]
  /** Another one with each save, so that a tab sees that another one has written. */
  stamp?: string
}

const INDEX = 'index'
const key = (id: string) => `session:${id}`
let store: UseStore | null = null
export const db = () => (store ??= createStore('chatzoo', 'sessions'))

export async function listSessions(): Promise<SessionHead[]> {
  const heads = (await get<SessionHead[]>(INDEX, db())) ?? []
  return heads.map(whole).sort((a, b) => b.updatedAt - a.updatedAt)
}

/**
 * False, and nothing is written: what is stored has none of the stamps that the caller knows, so
 * somebody else wrote it.
 */
export async function saveSession(session: Session, known?: ReadonlySet<string>): Promise<boolean> {
  let ours = true
  const write = (old?: Session) => {
    ours = !old || !known || known.has(stampOf(old))
    return ours ? session : old!
  }
  await update<Session>(key(session.id), write, db())
  if (!ours) return false
  await update<SessionHead[]>(
    INDEX,
    (heads = []) => {
      const before = heads.find(({ id }) => id === session.id)
      const { name, pinned } = whole(before ?? session)
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

export async function loadSession(id: string, now: number): Promise<Session | null> {
  const session = await get<Session>(key(id), db())
  const heads = (await get<SessionHead[]>(INDEX, db())) ?? []
  return session ? rested(session, heads, now) : null
}

export async function deleteSession(id: string): Promise<void> {
  await update<SessionHead[]>(INDEX, (heads = []) => heads.filter((head) => head.id !== id), db())
  await del(key(id), db())
}

export async function loadAllSessions(now: number): Promise<Session[]> {
  const heads = await listSessions()
  const sessions = await loadStored(heads.map(({ id }) => id))
  return sessions.map((session) => rested(session, heads, now))
}

export function headOf(session: Session): SessionHead {
  const { id, title, name, pinned, createdAt, updatedAt, panes } = session
  const paneNames = panes.map(({ workerName }) => workerName)
  return { id, title, name, pinned, createdAt, updatedAt, paneNames }
}

export const stampOf = ({ stamp }: Session): string => stamp ?? ''

export function titleOf(panes: StoredPane[]): string {
  const first = panes.find(({ turns }) => turns.length)?.turns[0]?.prompt.trim() ?? ''
  const lines = first.split('\n').map((line) => line.replace(/^[#>*\-\s]+/, '').trim())
  const chars = [...(lines.find(Boolean) ?? first)]
  return chars.length > 60 ? `${chars.slice(0, 59).join('')}…` : chars.join('')
}

/** As they were written; those that are gone are left out. */
export async function loadStored(ids: string[]): Promise<Session[]> {
  const sessions = await getMany<Session | undefined>(ids.map(key), db())
  return sessions.filter((session) => session !== undefined)
}

function rested(session: Session, heads: SessionHead[], now: number): Session {
  const { name, pinned } = whole(heads.find(({ id }) => id === session.id) ?? session)
  const panes = session.panes.map((pane) => ({ ...pane, turns: atRest(pane, now).turns }))
  return { ...session, name, pinned, panes }
}

/** Lists of before there were names have none. */
function whole<T extends SessionHead>(head: T): T {
  return { ...head, name: head.name ?? '', pinned: head.pinned ?? false }
}

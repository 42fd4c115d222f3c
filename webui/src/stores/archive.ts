/**
 * Sessions as they are stored and exported. Pure but for the four functions that use IndexedDB.
 *
 * A session holds panes, settings and turns, never an API key. The list of sessions is one small
 * entry of its own, so that opening the page does not read every conversation.
 */
import { createStore, del, get, getMany, set, update } from 'idb-keyval'
import type { UseStore } from 'idb-keyval'
import type { StoredPane } from './arena'
import { atRest } from './pane'

export interface SessionHead {
  id: string
  title: string
  createdAt: number
  updatedAt: number
  paneNames: string[]
}

export interface Session extends SessionHead {
  panes: StoredPane[]
}

const INDEX = 'index'
const key = (id: string) => `session:${id}`
let store: UseStore | null = null
const db = () => (store ??= createStore('chatzoo', 'sessions'))

export async function listSessions(): Promise<SessionHead[]> {
  const heads = (await get<SessionHead[]>(INDEX, db())) ?? []
  return [...heads].sort((a, b) => b.updatedAt - a.updatedAt)
}

export async function saveSession(session: Session): Promise<void> {
  await set(key(session.id), session, db())
  const head = headOf(session)
  await update<SessionHead[]>(
    INDEX,
    (heads = []) => [head, ...heads.filter(({ id }) => id !== session.id)],
    db(),
  )
}

export async function loadSession(id: string, now: number): Promise<Session | null> {
  const session = await get<Session>(key(id), db())
  if (!session) return null
  const panes = session.panes.map((pane) => ({ ...pane, turns: atRest(pane, now).turns }))
  return { ...session, panes }
}

export async function deleteSession(id: string): Promise<void> {
  await update<SessionHead[]>(INDEX, (heads = []) => heads.filter((head) => head.id !== id), db())
  await del(key(id), db())
}

export async function loadAllSessions(): Promise<Session[]> {
  const heads = await listSessions()
  const sessions = await getMany<Session | undefined>(
    heads.map(({ id }) => key(id)),
    db(),
  )
  return sessions.filter((session) => session !== undefined)
}

export function headOf({ id, title, createdAt, updatedAt, panes }: Session): SessionHead {
  return { id, title, createdAt, updatedAt, paneNames: panes.map(({ workerName }) => workerName) }
}

export function titleOf(panes: StoredPane[]): string {
  const first = panes.find(({ turns }) => turns.length)?.turns[0]?.prompt ?? ''
  const line = (first.trim().split('\n', 1)[0] ?? '').replace(/^[#>*\-\s]+/, '')
  const chars = [...line]
  return chars.length > 60 ? `${chars.slice(0, 59).join('')}…` : line
}

/** The JSON document of one or more sessions, ready to be written to a file. */
export function exportJson(sessions: Session[], now: Date): string {
  const document = {
    format: 'chatzoo-sessions',
    version: 1,
    exported_at: now.toISOString(),
    sessions: sessions.map(toExport),
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

/** Field by field, so that nothing gets out that was not meant to. */
function toExport(session: Session) {
  return {
    id: session.id,
    title: session.title,
    created_at: new Date(session.createdAt).toISOString(),
    updated_at: new Date(session.updatedAt).toISOString(),
    panes: session.panes.map((pane) => ({
      worker: { name: pane.workerName, url: pane.workerUrl },
      settings: pane.settings,
      system: pane.system || null,
      turns: pane.turns.map(({ prompt, answer }) => ({
        prompt,
        answer: {
          text: answer.text,
          reasoning: answer.reasoning || null,
          status: answer.status,
          model: answer.model,
          params: answer.params,
          system: answer.system,
          finish_reason: answer.finishReason,
          usage: answer.usage,
          timings: answer.timings,
          error: answer.error,
          sent_at: new Date(answer.sentAt).toISOString(),
        },
      })),
    })),
  }
}

export function exportName(sessions: Session[], now: Date): string {
  const day = now.toISOString().slice(0, 10)
  return sessions.length === 1 ? `chatzoo-${sessions[0]!.id}-${day}.json` : `chatzoo-${day}.json`
}

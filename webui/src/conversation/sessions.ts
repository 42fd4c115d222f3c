/** Sessions as data: the panes of one comparison with their conversations. Never holds an API key. */
import type { StoredPane } from './panes'

/** What the list of sessions shows of a session. */
export interface SessionHead {
  id: string
  /** Taken from the first prompt; "" before there is one. */
  title: string
  /** Given by a person; "" means that the title is shown. */
  name: string
  pinned: boolean
  createdAt: number
  updatedAt: number
  paneNames: string[]
}

export interface Session extends SessionHead {
  panes: StoredPane[]
  /** Changes with each save, by which a tab notices that another tab has written the session. */
  stamp?: string
}

const TITLE_LENGTH = 60

export function headOf(session: Session): SessionHead {
  const { id, title, name, pinned, createdAt, updatedAt, panes } = session
  const paneNames = panes.map(({ workerName }) => workerName)
  return { id, title, name, pinned, createdAt, updatedAt, paneNames }
}

export const labelOf = ({ name, title }: Pick<Session, 'name' | 'title'>) => name || title

export const stampOf = ({ stamp }: Session): string => stamp ?? ''

/** The first line of the first prompt without Markdown's line prefixes, cut to 60 characters. */
export function titleOf(panes: StoredPane[]): string {
  const first = panes.find(({ turns }) => turns.length)?.turns[0]?.prompt.trim() ?? ''
  const lines = first.split('\n').map((line) => line.replace(/^[#>*\-\s]+/, '').trim())
  // Code points, not UTF-16 units: a cut must not halve an emoji.
  const chars = [...(lines.find(Boolean) ?? first)]
  return chars.length > TITLE_LENGTH
    ? `${chars.slice(0, TITLE_LENGTH - 1).join('')}…`
    : chars.join('')
}

/** Searches the texts of all stored sessions. */
import type { Session } from '../../conversation/sessions'
import { atRest } from '../../conversation/stored'
import { versionsOf } from '../../conversation/turns'
import { listSessions, loadStored } from './sessionDatabase'

/** Sessions read in one step, which bounds the memory that a search takes. */
const SEARCHED_AT_ONCE = 20

/**
 * Yields the ids of sessions that contain all words, given in lower case, as it finds them.
 */
export async function* searchSessions(words: string[]): AsyncGenerator<string[]> {
  const ids = (await listSessions()).map(({ id }) => id)
  for (let at = 0; at < ids.length; at += SEARCHED_AT_ONCE) {
    const sessions = await loadStored(ids.slice(at, at + SEARCHED_AT_ONCE))
    yield sessions
      .filter((session) => {
        const text = textOf(session)
        return words.every((word) => text.includes(word))
      })
      .map(({ id }) => id)
  }
}

/** All texts of a session, in lower case. */
function textOf(session: Session): string {
  const { title, name, paneNames, panes } = session
  const turns = panes.flatMap((pane) => atRest(pane, 0).turns)
  const texts = turns.flatMap((turn) => [
    turn.prompt,
    ...versionsOf(turn).flatMap(({ text, reasoning }) => [text, reasoning]),
  ])
  return [title, name ?? '', ...paneNames, ...texts].join('\n').toLowerCase()
}

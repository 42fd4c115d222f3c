/** Brings conversations from the browser's storage or from a file into their present form. */
import { reduce } from './reduce'
import type { Answer, Conversation, Turn } from './turns'

/** Names of fields in sessions that browsers stored with version 0.1.0. */
interface OldNames {
  after?: readonly number[]
  droppedTurns?: number
}

/**
 * A stored conversation with nothing running: an answer that had not ended when the page was closed
 * gets the error `interrupted`.
 */
export function atRest(conversation: Conversation, at: number): Conversation {
  const turns = conversation.turns.map(withPresentNames)
  const message = 'the page was closed before the answer ended'
  return reduce({ turns }, { type: 'fail', failure: { message, code: 'interrupted' }, at })
}

function withPresentNames(turn: Turn): Turn {
  // Sessions stored before turns had versions lack both lists.
  const earlier = (turn.earlier ?? []).map(renamed)
  const later = (turn.later ?? []).map(renamed)
  return { ...turn, answer: renamed(turn.answer), earlier, later }
}

function renamed({ after, droppedTurns, ...answer }: Answer & OldNames): Answer {
  return {
    ...answer,
    versionsBefore: answer.versionsBefore ?? after,
    droppedMessages: answer.droppedMessages ?? droppedTurns ?? 0,
  }
}

/** Deletes sessions without a prompt that closed tabs have left behind. */
import type { SessionHead } from '../../conversation/sessions'
import { deleteSession } from './sessionDatabase'

/** A younger one may belong to a tab that is still open. */
const STALE_MS = 24 * 60 * 60 * 1000

/** The list without stale blank sessions, which are deleted; the session `keep` always stays. */
export async function withoutStaleBlanks(
  list: SessionHead[],
  keep: unknown,
): Promise<SessionHead[]> {
  const stale = list.filter(
    ({ id, title, name, updatedAt }) =>
      !title && !name && id !== keep && updatedAt < Date.now() - STALE_MS,
  )
  for (const { id } of stale) await deleteSession(id)
  return list.filter((head) => !stale.includes(head))
}

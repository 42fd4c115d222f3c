/**
 * Keeps the unsaved state of a session in the tab while the page is being left.
 *
 * A page that is unloaded cannot finish a write to IndexedDB: the browser ends it together with the
 * page. sessionStorage is written at once and survives a reload of the same tab.
 */
import { stampOf } from '../../conversation/sessions'
import type { Session } from '../../conversation/sessions'
import { atRest } from '../../conversation/stored'
import { readTab, writeTab } from '../../lib/browser/storage'

export interface TabDraft {
  session: Session
  /** Stamps that the page had read or written; the draft is valid only on top of one of these. */
  stamps: string[]
}

/** The draft that this tab left behind. It is removed, so it is used once. */
export function takeDraft(): TabDraft | null {
  const draft = readTab('draft') as TabDraft | null
  writeTab('draft', null)
  return draft
}

/** Returns false if the browser did not store it. */
export const leaveDraft = (draft: TabDraft): boolean => writeTab('draft', draft)

/** The draft, unless another tab has written the session since; then the stored session. */
export function newerOf(draft: TabDraft | null, stored: Session | null): Session | null {
  if (!draft || (stored && !draft.stamps.includes(stampOf(stored)))) return stored
  const { session } = draft
  const panes = session.panes.map((pane) => ({ ...pane, ...atRest(pane, session.updatedAt) }))
  return { ...session, panes }
}

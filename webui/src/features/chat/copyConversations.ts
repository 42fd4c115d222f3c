/** Copies the conversation of a pane, or of all panes, as Markdown. */
import { allMarkdown, paneMarkdown } from '../../conversation/export/transcript'
import type { Pane } from '../../conversation/panes'
import { useI18n } from '../../locales/useI18n'
import { useCopy } from '../../ui/useCopy'
import { useArena } from '../arena/arenaStore'
import { usePaneName } from '../workers/usePaneName'

export function copyConversation(pane: Pane): Promise<boolean> {
  return useCopy().copy(paneMarkdown(transcriptOf(pane), useI18n().t('answer.you')))
}

export function copyConversations(title: string): Promise<boolean> {
  const panes = useArena().panes.map(transcriptOf)
  return useCopy().copy(allMarkdown(title, panes, useI18n().t('answer.you')))
}

function transcriptOf(pane: Pane) {
  return { name: usePaneName()(pane), turns: useArena().stateNow(pane.id).turns }
}

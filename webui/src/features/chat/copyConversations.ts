/** Conversations to the clipboard, as Markdown: one pane, or all of them. Loaded on demand. */
import { useArena } from '../arena/arenaStore'
import { allMarkdown, paneMarkdown } from '../../conversation/export/transcript'
import { useCopy } from '../../ui/useCopy'
import { useI18n } from '../../locales/useI18n'
import { usePaneName } from '../workers/usePaneName'
import type { Pane } from '../../conversation/panes'

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

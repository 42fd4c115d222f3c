/** Copies an address that opens the same comparison. */
import { useI18n } from '../../locales/useI18n'
import { useAnnouncer } from '../../ui/useAnnouncer'
import { useCopy } from '../../ui/useCopy'
import { useArena } from '../arena/arenaStore'
import { linkOf } from './comparisonLink'

export function useCopyLink() {
  const arena = useArena()
  const { copied, copy } = useCopy()
  const { announce } = useAnnouncer()
  const { t } = useI18n()

  /** The address contains the draft, or else the first prompt. Returns the problem, or null. */
  async function copyLink(draft: string): Promise<string | null> {
    const { panes, layout } = arena
    const firstPrompt = arena.snapshot().find(({ turns }) => turns.length)?.turns[0]?.prompt
    const link = linkOf(location.origin + location.pathname, {
      panes,
      layout,
      prompt: draft.trim() || firstPrompt || '',
    })
    const problem = link === null ? t('link.tooLong') : (await copy(link)) ? null : t('link.failed')
    if (problem) announce(problem)
    return problem
  }

  return { copied, copyLink }
}

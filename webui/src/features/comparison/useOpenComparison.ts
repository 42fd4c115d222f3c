/** Opens the panes of a preset or of a link in a new session. */
import type { Layout, Pane, StoredPane } from '../../conversation/panes'
import { newId } from '../../lib/browser/newId'
import { useArena } from '../arena/arenaStore'
import { useBroadcast } from '../chat/useBroadcast'
import { useSession } from '../sessions/sessionStore'
import { useWorkers, workerName } from '../workers/workersStore'

type DescribedPane = Pick<Pane, 'workerUrl' | 'settings' | 'system'> & { workerName?: string }

export function useOpenComparison() {
  const arena = useArena()
  const session = useSession()
  const workers = useWorkers()
  const { stopAll } = useBroadcast()

  /** Workers that are not registered are added, under the name that the description gives them. */
  async function openComparison(panes: DescribedPane[], layout: Layout): Promise<void> {
    stopAll()
    const stored = panes.map(({ workerUrl, settings, system, workerName: name }): StoredPane => {
      const worker = workers.find(workerUrl) ?? workers.add({ url: workerUrl, name })
      return {
        id: newId(),
        workerUrl,
        workerName: workerName(worker),
        settings: { ...settings },
        system,
        turns: [],
      }
    })
    await session.startNew(stored)
    arena.layout = layout
  }

  return { openComparison }
}

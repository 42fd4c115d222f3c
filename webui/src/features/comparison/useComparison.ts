/** Opens panes that somebody described: a preset, or an address. */
import { newId, useArena } from '../arena/arenaStore'
import type { Layout, Pane, StoredPane } from '../arena/arenaStore'
import { useSession } from '../sessions/sessionStore'
import { useWorkers, workerName } from '../workers/workersStore'
import { useBroadcast } from '../chat/useBroadcast'

export function useComparison() {
  const arena = useArena()
  const session = useSession()
  const workers = useWorkers()
  const { stopAll } = useBroadcast()

  /** In a new session; a worker that is in no list is added, under the name that it has there. */
  async function show(
    panes: (Pick<Pane, 'workerUrl' | 'settings' | 'system'> & { workerName?: string })[],
    layout: Layout,
  ): Promise<void> {
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

  return { show }
}

/** Names a pane by its worker, with a number if the worker has several panes. */
import type { Pane } from '../../conversation/panes'
import { useArena } from '../arena/arenaStore'
import { useWorkers, workerName } from './workersStore'

export function usePaneName() {
  const arena = useArena()
  const workers = useWorkers()

  return function paneName(pane: Pane): string {
    const worker = workers.find(pane.workerUrl)
    const name = worker ? workerName(worker) : pane.workerName || pane.workerUrl
    const same = arena.panes.filter((other) => other.workerUrl === pane.workerUrl)
    return same.length > 1 ? `${name} #${same.indexOf(pane) + 1}` : name
  }
}

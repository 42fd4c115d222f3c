/**
 * Decides what the page shows first: the tab's session if there is one, else the comparison that the
 * address describes (see comparisonLink.ts), else a pane for each of the first workers.
 */
import { ref, watch } from 'vue'
import { useArena } from '../arena/arenaStore'
import { useSession } from '../sessions/sessionStore'
import { useWorkers, workerName } from '../workers/workersStore'

/** More panes than this would be too narrow on a usual screen. */
const PANES_AT_START = 4

export function useStartup() {
  const arena = useArena()
  const workers = useWorkers()
  const session = useSession()
  const prompt = ref('')
  const ready = ref(false)

  async function start(): Promise<void> {
    const request = await readAddress()
    const restored = await session.restore()
    // A prompt that a person has begun to write meanwhile stays.
    prompt.value ||= request?.prompt ?? ''
    if (request?.panes.length) {
      await request.openComparison(request.panes, request.layout)
    } else if (!restored) openPanesOfNewWorkers()
    // The prompt is filled in, not sent: a link must not make a browser talk to workers.
    if (location.search) history.replaceState(null, '', location.pathname + location.hash)
    ready.value = true
  }

  /** Until the first prompt, each worker that appears gets a pane, once. */
  function openPanesOfNewWorkers() {
    const seen = new Set<string>()
    const stop = watch(
      () => workers.list.map(({ url }) => url),
      (urls) => {
        if (arena.hasTurns) return void stop()
        for (const url of urls) {
          if (seen.has(url)) continue
          seen.add(url)
          const open = arena.panes.some(({ workerUrl }) => workerUrl === url)
          const worker = workers.find(url)
          if (!worker || open || worker.muted || arena.panes.length >= PANES_AT_START) continue
          arena.addPane({ workerUrl: url, workerName: workerName(worker) })
        }
      },
      { immediate: true },
    )
  }

  return { start, ready, prompt }
}

/** Most addresses describe no comparison, so the code for one is fetched only where it is needed. */
async function readAddress() {
  if (!location.search) return null
  const [{ readLink }, { useOpenComparison }] = await Promise.all([
    import('../comparison/comparisonLink'),
    import('../comparison/useOpenComparison'),
  ])
  return { ...readLink(location.search, location.hostname || '127.0.0.1'), ...useOpenComparison() }
}

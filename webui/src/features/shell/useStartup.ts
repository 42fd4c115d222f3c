/**
 * What the page shows first: the tab's session if there is one, else what the address asks for
 * (see comparisonLink.ts), else a pane for each of the first workers that turn up.
 */
import { ref, watch } from 'vue'
import { useArena } from '../arena/arenaStore'
import { useSession } from '../sessions/sessionStore'
import { useWorkers, workerName } from '../workers/workersStore'

const OPENED_BY_ITSELF = 4

export function useStartup() {
  const arena = useArena()
  const workers = useWorkers()
  const session = useSession()
  const prompt = ref('')
  const ready = ref(false)

  async function start(): Promise<void> {
    const request = await readAddress()
    const restored = await session.restore()
    // Whoever has begun to write keeps that.
    prompt.value ||= request?.prompt ?? ''
    if (request?.panes.length) {
      await request.show(request.panes, request.layout)
    } else if (!restored) openByThemselves()
    // The prompt is filled in, never sent: a link must not make a browser talk to workers.
    if (location.search) history.replaceState(null, '', location.pathname + location.hash)
    ready.value = true
  }

  /** Until the first prompt, a worker that turns up gets a pane, unless that was closed before. */
  function openByThemselves() {
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
          if (!worker || open || worker.muted || arena.panes.length >= OPENED_BY_ITSELF) continue
          arena.addPane({ workerUrl: url, workerName: workerName(worker) })
        }
      },
      { immediate: true },
    )
  }

  return { start, ready, prompt }
}

/** Most addresses ask for nothing, so what reads and opens one is not loaded with the page. */
async function readAddress() {
  if (!location.search) return null
  const [{ readLink }, { useComparison }] = await Promise.all([
    import('../comparison/comparisonLink'),
    import('../comparison/useComparison'),
  ])
  return { ...readLink(location.search, location.hostname || '127.0.0.1'), ...useComparison() }
}

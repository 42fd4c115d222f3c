/**
 * What the page shows first: the tab's session if there is one, else what the address asks for
 * (`?worker=URL&prompt=…`), else a pane for each of the first workers that turn up.
 */
import { ref, watch } from 'vue'
import { BadUrl, normalizeUrl } from '../api/url'
import { useArena } from '../stores/arena'
import { useSession } from '../stores/session'
import { useWorkers, workerName } from '../stores/workers'

const OPENED_BY_ITSELF = 4

export interface Request {
  workers: string[]
  prompt: string
}

/** Reads the address; what is no worker's address is left out. */
export function readRequest(search: string, host: string): Request {
  const query = new URLSearchParams(search)
  const workers = query.getAll('worker').flatMap((text) => {
    try {
      return [normalizeUrl(text, host)]
    } catch (error) {
      if (error instanceof BadUrl) return []
      throw error
    }
  })
  return { workers, prompt: query.get('prompt') ?? '' }
}

export function useStartup() {
  const arena = useArena()
  const workers = useWorkers()
  const session = useSession()
  const prompt = ref('')
  const ready = ref(false)

  async function start(): Promise<void> {
    const request = readRequest(location.search, location.hostname || '127.0.0.1')
    const restored = await session.restore()
    prompt.value = request.prompt
    if (request.workers.length) {
      if (restored) await session.startNew()
      arena.load([])
      for (const url of request.workers) {
        const worker = workers.find(url) ?? workers.add({ url })
        arena.addPane({ workerUrl: url, workerName: workerName(worker) })
      }
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

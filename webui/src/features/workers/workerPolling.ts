/**
 * Polls the hub for its list of workers, and workers directly where no hub watches them.
 *
 * Every worker has its own timer and back-off, so an unreachable one delays no other. Nothing is
 * requested while the tab is hidden. A worker of a reachable hub is asked only for what the hub does
 * not report: its facts and settings schema, once, and again after it has restarted.
 */
import { watch as onChange } from 'vue'
import { getInfo, getParams, listHubWorkers } from '../../api/client'
import { ApiError } from '../../api/errors'
import type { HubWorker } from '../../api/wire'
import { update, useWorkers } from './workersStore'
import type { Worker } from './workersStore'

/** Interval for a worker that is ready or has failed: its state rarely changes. */
const SETTLED_MS = 5000
/** Interval while a worker loads, so that its progress bar moves. Base of the back-off. */
const CHANGING_MS = 1000
const HUB_MS = 2000
/** Upper bound of the back-off. */
const LONGEST_MS = 30_000

interface Watch {
  timer: ReturnType<typeof setTimeout> | undefined
  failures: number
  asking: boolean
  /** Whether the settings schema has to be read again: after a restart it may be another model's. */
  stale: boolean
}

const watches = new Map<string, Watch>()
let hubTimer: ReturnType<typeof setTimeout> | undefined
let hub: 'unknown' | 'present' | 'absent' = 'unknown'
let hubAsking = false

/** Starts to poll. Returns the function that ends it. */
export function startPolling(): () => void {
  const workers = useWorkers()
  const urls = () => workers.list.map(({ url }) => url)
  const unwatch = onChange(urls, watchAll, { flush: 'post' })
  document.addEventListener('visibilitychange', onVisible)
  void askHub().then(watchAll)
  return () => {
    unwatch()
    document.removeEventListener('visibilitychange', onVisible)
    clearTimeout(hubTimer)
    for (const { timer } of watches.values()) clearTimeout(timer)
    watches.clear()
  }
}

/** Asks a worker now, regardless of its back-off. */
export function checkWorker(url: string): void {
  const watch = watches.get(url)
  if (watch) watch.failures = 0
  if (hub === 'present') void askHub()
  void ask(url)
}

function onVisible() {
  if (document.visibilityState !== 'visible') return
  if (hub === 'present') void askHub()
  for (const { url } of useWorkers().list) void ask(url)
}

function watchAll() {
  const { list } = useWorkers()
  const urls = new Set(list.map(({ url }) => url))
  for (const [url, { timer }] of watches) {
    if (urls.has(url)) continue
    clearTimeout(timer)
    watches.delete(url)
  }
  for (const { url } of list) {
    if (watches.has(url)) continue
    watches.set(url, { timer: undefined, failures: 0, asking: false, stale: true })
    void ask(url)
  }
}

async function askHub(): Promise<void> {
  if (hubAsking || hub === 'absent') return
  const workers = useWorkers()
  hubAsking = true
  clearTimeout(hubTimer)
  try {
    const entries = await listHubWorkers(document.baseURI)
    // Without a hub at first, the page comes from a static file server, and no hub will appear.
    hub = entries ? 'present' : hub === 'present' ? 'present' : 'absent'
    if (entries) {
      workers.hubLost = false
      applyHub(entries)
    } else loseHub()
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    loseHub()
  } finally {
    hubAsking = false
    if (hub !== 'absent') hubTimer = setTimeout(onHubTimer, HUB_MS)
  }
}

/** Asks the workers of a hub directly until the hub answers again. */
function loseHub() {
  const workers = useWorkers()
  if (hub !== 'present' || workers.hubLost) return
  workers.hubLost = true
  for (const { url } of workers.list) void ask(url)
}

function onHubTimer() {
  if (document.visibilityState === 'visible') void askHub()
}

function applyHub(entries: HubWorker[]) {
  const workers = useWorkers()
  const before = new Map(workers.all.map(({ url, health }) => [url, { ...health }]))
  workers.applyHub(entries)
  watchAll()
  for (const { url, health } of entries) {
    const old = before.get(url)
    const changed = old?.state !== health.state || old.restarts !== health.restarts
    const watch = watches.get(url)
    if (!changed || !watch) continue
    watch.stale = true
    void ask(url)
  }
}

async function ask(url: string): Promise<void> {
  const watch = watches.get(url)
  const workers = useWorkers()
  const worker = workers.find(url)
  if (!watch || !worker || watch.asking) return
  const watchedByHub = worker.hub !== null && !workers.hubLost
  // Each refused connection is an error in the browser's console, and the hub reports the state.
  if (watchedByHub && ['starting', 'down', 'failed'].includes(worker.health.state)) return
  clearTimeout(watch.timer)
  if (document.visibilityState === 'hidden') return
  watch.asking = true
  try {
    await refresh(worker, watch, watchedByHub)
    watch.failures = 0
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    watch.failures++
    watch.stale = true
    noteFailure(worker, error, watchedByHub)
  } finally {
    watch.asking = false
  }
  if (watches.get(url) === watch) plan(url, watch, worker, watchedByHub)
}

async function refresh(worker: Worker, watch: Watch, watchedByHub: boolean): Promise<void> {
  const target = useWorkers().target(worker.url)
  const info = await getInfo(target)
  const { state, progress, error } = info
  update(worker, { info, locked: false })
  if (!watchedByHub) update(worker.health, { state, progress, error })
  const outdated = watch.stale && info.state === 'ready'
  if (outdated || !worker.params) worker.params = await getParams(target)
  watch.stale = info.state !== 'ready'
}

function noteFailure(worker: Worker, error: ApiError, watchedByHub: boolean) {
  worker.locked = error.status === 401 || error.status === 403
  if (watchedByHub || worker.locked) return
  worker.health = { ...worker.health, state: 'down', progress: null, error: error.message }
}

function plan(url: string, watch: Watch, worker: Worker, watchedByHub: boolean) {
  // From here on the hub reports changes.
  if (watchedByHub && worker.info?.state === 'ready' && !watch.stale) return
  // Only another API key can change this, and entering one checks the worker.
  if (worker.locked) return
  const settled = worker.health.state === 'ready' || worker.health.state === 'failed'
  const calm = settled ? SETTLED_MS : CHANGING_MS
  const delay = watch.failures ? Math.min(LONGEST_MS, CHANGING_MS * 2 ** watch.failures) : calm
  watch.timer = setTimeout(() => void ask(url), delay)
}

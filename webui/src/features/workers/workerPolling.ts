/**
 * Keeps the workers' cards true: asks the hub for its list, and workers directly where no hub
 * watches them.
 *
 * Every worker has its own timer and its own back-off, so a dead one delays nobody. Nothing is
 * asked while the tab is hidden. `checkWorker` asks at once, after a failed answer for instance.
 */
import { watch as onChange } from 'vue'
import { getInfo, getParams, listHubWorkers } from '../../api/client'
import { ApiError } from '../../api/errors'
import type { HubWorker } from '../../api/wire'
import { update, useWorkers } from './workersStore'
import type { Worker } from './workersStore'

const READY_MS = 5000
const CHANGING_MS = 1000
const HUB_MS = 2000
const LONGEST_MS = 30_000

interface Watch {
  timer: ReturnType<typeof setTimeout> | undefined
  failures: number
  asking: boolean
  /** It may have come back as another model: its settings must be read again. */
  stale: boolean
}

const watches = new Map<string, Watch>()
let hubTimer: ReturnType<typeof setTimeout> | undefined
let hub: 'unknown' | 'present' | 'absent' = 'unknown'
let hubAsking = false

export function startWatching(): () => void {
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

/** Asks again now, whatever the back-off says. */
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
    // A static file server gives 404 or its index page: then there is no hub, and none will come.
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

/** From now on its workers are asked directly, until it is back. */
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
  // A worker that the hub calls down would only fill the browser's console with refusals.
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
  // The hub watches for us once we know what there is to know.
  if (watchedByHub && worker.info?.state === 'ready' && !watch.stale) return
  // Only a key can change this; whoever enters one has the worker checked.
  if (worker.locked) return
  const settled = worker.health.state === 'ready' || worker.health.state === 'failed'
  const calm = settled ? READY_MS : CHANGING_MS
  const delay = watch.failures ? Math.min(LONGEST_MS, CHANGING_MS * 2 ** watch.failures) : calm
  watch.timer = setTimeout(() => void ask(url), delay)
}

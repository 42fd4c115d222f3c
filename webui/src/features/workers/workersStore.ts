/**
 * Holds the workers: those that a person registered in this browser, and those of the hub.
 *
 * A worker is identified by its normalised address. Addresses, names, order and mute are kept in
 * localStorage; API keys only in sessionStorage, so they are gone when the tab is closed. Polling is
 * in workerPolling.ts.
 */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'
import type { Target } from '../../api/client'
import type { HubWorker, ParamsSchema, Progress, WorkerInfo, WorkerState } from '../../api/wire'
import { readLocal, readTab, writeLocal, writeTab } from '../../lib/browser/storage'
import { isObject } from '../../lib/text/json'

export type HealthState = WorkerState | 'connecting' | 'starting' | 'down'
/** The state that is shown; `locked` if the worker refuses our API key. */
export type ShownState = HealthState | 'locked'

export interface Health {
  state: HealthState
  progress: Progress | null
  error: string | null
  restarts: number
}

export interface Worker {
  url: string
  /** Name given by a person; "" means the worker's own name. */
  givenName: string
  muted: boolean
  /** Whether it was registered in this browser, not only reported by the hub. */
  own: boolean
  hub: { id: string; name: string; source: HubWorker['source'] } | null
  health: Health
  /** Whether it refused our API key, or requires one. */
  locked: boolean
  info: WorkerInfo | null
  params: ParamsSchema | null
}

type Saved = Pick<Worker, 'url' | 'givenName' | 'muted' | 'own'>

export const useWorkers = defineStore('workers', () => {
  const all = ref<Worker[]>(restore())
  const keys = ref<Record<string, string>>((readTab('keys') as Record<string, string>) ?? {})
  const hubLost = ref(false)

  // Workers of the hub stay in `all` for their place and mute, and are shown while the hub has them.
  const list = computed(() => all.value.filter((worker) => worker.own || worker.hub))

  watch(
    () => all.value.map(toSaved),
    (saved) => writeLocal('workers', saved),
  )
  watch(keys, (value) => writeTab('keys', value))

  const find = (url: string) => list.value.find((worker) => worker.url === url)

  function add(entry: { url: string; name?: string; apiKey?: string }): Worker {
    const known = all.value.find((worker) => worker.url === entry.url)
    if (known) {
      known.own = true
      known.givenName = entry.name || known.givenName
    } else {
      all.value.push(newWorker({ url: entry.url, givenName: entry.name ?? '', own: true }))
    }
    if (entry.apiKey !== undefined) setKey(entry.url, entry.apiKey)
    return find(entry.url)!
  }

  function remove(url: string) {
    all.value = all.value.filter((worker) => worker.url !== url)
    setKey(url, '')
  }

  /** Changes name or address. At another address it is another worker, about which nothing is known. */
  function change(url: string, { url: now, givenName }: Pick<Worker, 'url' | 'givenName'>) {
    const index = all.value.findIndex((worker) => worker.url === url)
    const worker = all.value[index]
    if (!worker) return
    if (now === url) worker.givenName = givenName
    else all.value[index] = newWorker({ url: now, givenName, own: true, muted: worker.muted })
  }

  function setKey(url: string, key: string) {
    const rest = Object.entries(keys.value).filter(([owner]) => owner !== url)
    keys.value = Object.fromEntries(key ? [...rest, [url, key]] : rest)
  }

  function move(url: string, step: -1 | 1) {
    const shown = list.value
    const other = shown[shown.findIndex((worker) => worker.url === url) + step]
    if (!other) return
    const from = all.value.findIndex((worker) => worker.url === url)
    const to = all.value.findIndex((worker) => worker.url === other.url)
    const [moved] = all.value.splice(from, 1)
    all.value.splice(to, 0, moved!)
  }

  /** Takes over the hub's list: adds new workers, updates known ones, drops missing ones. */
  function applyHub(entries: (HubWorker & { url: string })[]) {
    for (const entry of entries) {
      let worker = all.value.find(({ url }) => url === entry.url)
      if (!worker) {
        all.value.push(newWorker({ url: entry.url }))
        worker = all.value.at(-1)!
      }
      update(worker, {
        hub: { id: entry.id, name: entry.name, source: entry.source },
        health: { ...entry.health },
      })
    }
    const urls = new Set(entries.map(({ url }) => url))
    for (const worker of all.value) if (!urls.has(worker.url)) worker.hub = null
  }

  const target = (url: string): Target => ({ url, apiKey: keys.value[url] ?? null })

  return { all, list, keys, hubLost, find, add, change, remove, setKey, move, applyHub, target }
})

export function workerName(worker: Worker): string {
  return (
    worker.givenName || worker.hub?.name || worker.info?.name || worker.url.replace(/^\w+:\/\//, '')
  )
}

export function stateOf({ locked, health }: Worker): ShownState {
  return locked && health.state !== 'down' ? 'locked' : health.state
}

/**
 * Copies new values into a reactive object and skips equal ones, field by field. Most polls bring no
 * change, and then nothing that shows the worker is rendered again.
 */
export function update<T extends object>(known: T, values: Partial<T>): void {
  for (const key of Object.keys(values) as (keyof T)[]) {
    const [before, now] = [known[key], values[key]!]
    if (isObject(before) && isObject(now) && hasSameKeys(before, now)) update(before, now)
    else if (before !== now) known[key] = now
  }
}

const hasSameKeys = (first: object, second: object) =>
  Object.keys(first).join('\n') === Object.keys(second).join('\n')

function newWorker(part: Partial<Worker> & { url: string }): Worker {
  return {
    givenName: '',
    muted: false,
    own: false,
    hub: null,
    health: { state: 'connecting', progress: null, error: null, restarts: 0 },
    locked: false,
    info: null,
    params: null,
    ...part,
  }
}

const toSaved = ({ url, givenName, muted, own }: Worker): Saved => ({ url, givenName, muted, own })

function restore(): Worker[] {
  const saved = readLocal('workers')
  if (!Array.isArray(saved)) return []
  return (saved as Partial<Saved>[])
    .filter((entry): entry is Saved => typeof entry?.url === 'string')
    .map(({ url, givenName, muted, own }) =>
      newWorker({ url, givenName: givenName ?? '', muted: !!muted, own: !!own }),
    )
}

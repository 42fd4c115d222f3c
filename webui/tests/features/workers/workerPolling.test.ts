// @vitest-environment jsdom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watchEffect } from 'vue'
import { stateOf, useWorkers } from '../../../src/features/workers/workersStore'

type Answer = { status?: number; body?: unknown } | 'refused' | 'silent'

/** What answers where; changed by the tests as time goes by. */
let world: Record<string, () => Answer>
let asked: string[]
let stop: () => void

const info = (state = 'ready', model = 'm') => ({ body: { name: 'w', model, state, error: null } })
const hubList = (state: string, restarts = 0) => ({
  body: {
    workers: [
      {
        id: 'a',
        name: 'a',
        url: 'http://a:1',
        source: 'zoo',
        health: { state, progress: null, error: null, restarts },
      },
    ],
  },
})

function reply(url: string, init?: RequestInit): Promise<Response> {
  asked.push(url)
  const answer = world[url]?.() ?? 'refused'
  if (answer === 'refused') return Promise.reject(new TypeError('Failed to fetch'))
  if (answer === 'silent') {
    return new Promise((_resolve, reject) =>
      init!.signal!.addEventListener('abort', () => reject(new TypeError('took too long'))),
    )
  }
  const { status = 200, body = {} } = answer
  return Promise.resolve(Response.json(body, { status }))
}

/** Records a value of the workers, now and after every change that renders it again. */
function showing(read: () => unknown) {
  const shown = vi.fn()
  watchEffect(() => shown(read()), { flush: 'sync' })
  return shown
}

/** The module remembers whether there is a hub, so every test has its own. */
async function watch() {
  const { startPolling, checkWorker } = await import('../../../src/features/workers/workerPolling')
  stop = startPolling()
  await vi.advanceTimersByTimeAsync(0)
  return checkWorker
}

const HUB = 'http://localhost:3000/api/workers'
const count = (url: string) => asked.filter((entry) => entry === url).length
const state = (url: string) => stateOf(useWorkers().find(url)!)

beforeEach(() => {
  vi.resetModules()
  vi.useFakeTimers()
  vi.stubGlobal('fetch', reply)
  localStorage.clear()
  sessionStorage.clear()
  setActivePinia(createPinia())
  world = {}
  asked = []
})
afterEach(() => {
  stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('without a hub', () => {
  beforeEach(() => (world[HUB] = () => ({ status: 404 })))

  it('looks for a hub once', async () => {
    await watch()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(count(HUB)).toBe(1)
  })

  it('polls a worker from loading to ready, and reads its settings again', async () => {
    let now = 'loading'
    world['http://b:1/info'] = () => info(now)
    world['http://b:1/params'] = () => ({ body: { title: now } })
    useWorkers().add({ url: 'http://b:1' })
    await watch()
    expect(state('http://b:1')).toBe('loading')
    now = 'ready'
    await vi.advanceTimersByTimeAsync(1000)
    expect(state('http://b:1')).toBe('ready')
    expect(useWorkers().find('http://b:1')!.params).toEqual({ title: 'ready' })
  })

  it('polls an unreachable worker less and less often, without delaying others', async () => {
    world['http://b:1/info'] = () => info()
    world['http://b:1/params'] = () => ({})
    world['http://slow:1/info'] = () => 'silent'
    for (const name of ['dead', 'slow', 'b']) useWorkers().add({ url: `http://${name}:1` })
    await watch()
    expect(state('http://b:1')).toBe('ready')
    await vi.advanceTimersByTimeAsync(120_000)
    expect(state('http://dead:1')).toBe('down')
    expect(count('http://dead:1/info')).toBeLessThan(10)
    expect(count('http://b:1/info')).toBeGreaterThan(20)
    world['http://dead:1/info'] = () => info()
    world['http://dead:1/params'] = () => ({})
    await vi.advanceTimersByTimeAsync(30_000)
    expect(state('http://dead:1')).toBe('ready')
  })

  it('waits for a key', async () => {
    world['http://b:1/info'] = () => ({ status: 401, body: { error: { message: 'key?' } } })
    useWorkers().add({ url: 'http://b:1' })
    const checkWorker = await watch()
    expect(state('http://b:1')).toBe('locked')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(count('http://b:1/info')).toBe(1)
    world['http://b:1/info'] = () => info()
    world['http://b:1/params'] = () => ({})
    checkWorker('http://b:1')
    await vi.advanceTimersByTimeAsync(0)
    expect(state('http://b:1')).toBe('ready')
  })

  it('changes only fields with new values', async () => {
    const busy = { ...info().body, queue: { running: 0 } }
    world['http://b:1/info'] = () => ({ body: busy })
    world['http://b:1/params'] = () => ({})
    useWorkers().add({ url: 'http://b:1' })
    await watch()
    const worker = useWorkers().find('http://b:1')!
    const name = showing(() => worker.info!.name + worker.health.state)
    const queue = showing(() => worker.info!.queue!.running)
    busy.queue.running = 1
    await vi.advanceTimersByTimeAsync(60_000)
    expect(count('http://b:1/info')).toBeGreaterThan(10)
    expect(name).toHaveBeenCalledOnce()
    expect(queue.mock.calls).toEqual([[0], [1]])
    busy.name = 'other'
    await vi.advanceTimersByTimeAsync(5000)
    expect(name.mock.calls).toEqual([['wready'], ['otherready']])
  })

  it('treats a response that is not from a worker as a failure', async () => {
    world['http://b:1/info'] = () => ({ body: { hello: 'world' } })
    useWorkers().add({ url: 'http://b:1' })
    await watch()
    expect(state('http://b:1')).toBe('down')
  })
})

describe('with a hub', () => {
  it('takes over its workers, and does not poll one that is down', async () => {
    world[HUB] = () => hubList('starting')
    await watch()
    expect(state('http://a:1')).toBe('starting')
    expect(count('http://a:1/info')).toBe(0)
    world['http://a:1/info'] = () => info()
    world['http://a:1/params'] = () => ({ body: { title: 'first' } })
    world[HUB] = () => hubList('ready')
    await vi.advanceTimersByTimeAsync(2000)
    expect(useWorkers().find('http://a:1')!.params).toEqual({ title: 'first' })
    const before = count('http://a:1/info')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(count('http://a:1/info')).toBe(before)
  })

  it('changes only fields with new values', async () => {
    world[HUB] = () => hubList('ready')
    world['http://a:1/info'] = () => info()
    world['http://a:1/params'] = () => ({})
    await watch()
    const shown = showing(() =>
      useWorkers().list.map(({ hub, health }) => [hub!.name, health.state]),
    )
    const before = count(HUB)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(count(HUB)).toBe(before + 10)
    expect(shown).toHaveBeenCalledOnce()
  })

  it('reads facts and settings of a worker again after its restart', async () => {
    world[HUB] = () => hubList('ready')
    world['http://a:1/info'] = () => info('ready', 'old')
    world['http://a:1/params'] = () => ({ body: { title: 'old' } })
    await watch()
    world[HUB] = () => hubList('down')
    await vi.advanceTimersByTimeAsync(2000)
    expect(state('http://a:1')).toBe('down')
    world[HUB] = () => hubList('ready', 1)
    world['http://a:1/info'] = () => info('ready', 'new')
    world['http://a:1/params'] = () => ({ body: { title: 'new' } })
    await vi.advanceTimersByTimeAsync(2000)
    const worker = useWorkers().find('http://a:1')!
    expect(worker.health).toMatchObject({ state: 'ready', restarts: 1 })
    expect(worker.info!.model).toBe('new')
    expect(worker.params).toEqual({ title: 'new' })
  })

  it('polls workers directly while the hub cannot be reached', async () => {
    world[HUB] = () => hubList('ready')
    world['http://a:1/info'] = () => info()
    world['http://a:1/params'] = () => ({})
    await watch()
    world[HUB] = () => 'refused'
    world['http://a:1/info'] = () => 'refused'
    await vi.advanceTimersByTimeAsync(2000)
    expect(useWorkers().hubLost).toBe(true)
    expect(state('http://a:1')).toBe('down')
    world[HUB] = () => hubList('ready')
    await vi.advanceTimersByTimeAsync(2000)
    expect(useWorkers().hubLost).toBe(false)
    expect(state('http://a:1')).toBe('ready')
  })
})

// @vitest-environment jsdom
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { nextTick } from 'vue'
import type { HubWorker } from '../../../src/api/wire'
import { useWorkers, workerName } from '../../../src/features/workers/workersStore'

const entry = (id: string, state: HubWorker['health']['state'] = 'ready'): HubWorker => ({
  id,
  name: id,
  url: `http://${id}:1`,
  source: 'zoo',
  health: { state, progress: null, error: null, restarts: 0 },
})

beforeEach(() => {
  localStorage.clear()
  sessionStorage.clear()
  setActivePinia(createPinia())
})

describe('workers', () => {
  it('appear and disappear with the hub, unless registered in this browser', () => {
    const workers = useWorkers()
    workers.add({ url: 'http://mine:1' })
    workers.applyHub([entry('a'), entry('b', 'loading')])
    expect(workers.list.map(workerName)).toEqual(['mine:1', 'a', 'b'])
    workers.applyHub([entry('b')])
    expect(workers.list.map(workerName)).toEqual(['mine:1', 'b'])
    expect(workers.find('http://b:1')!.health.state).toBe('ready')
  })

  it('are one worker when the hub lists what was registered', () => {
    const workers = useWorkers()
    workers.add({ url: 'http://a:1', name: 'Mine' })
    workers.applyHub([entry('a')])
    expect(workers.list).toHaveLength(1)
    expect(workerName(workers.list[0]!)).toBe('Mine')
  })

  it('keep order and mute, and their keys only in this tab', async () => {
    const workers = useWorkers()
    workers.add({ url: 'http://a:1', apiKey: 'sesame' })
    workers.add({ url: 'http://b:1' })
    workers.move('http://b:1', -1)
    workers.find('http://a:1')!.muted = true
    await nextTick()
    expect(JSON.stringify({ ...localStorage })).not.toContain('sesame')
    setActivePinia(createPinia())
    const again = useWorkers()
    expect(again.list.map(({ url, muted }) => [url, muted])).toEqual([
      ['http://b:1', false],
      ['http://a:1', true],
    ])
    expect(again.target('http://a:1').apiKey).toBe('sesame')
    again.remove('http://a:1')
    expect(again.target('http://a:1').apiKey).toBeNull()
  })

  it('start empty if the stored list is malformed', () => {
    localStorage.setItem('chatzoo.workers', '{"not":"a list"}')
    expect(useWorkers().list).toEqual([])
  })
})

import { describe, expect, it, vi } from 'vitest'
import { createRenderScheduler } from '../../src/ui/renderScheduler'

/** Frames at 60 a second under our own clock. */
function bench(cost: Record<string, number> = {}, drawing = 0) {
  let time = 1000
  let next: (() => void) | null = null
  const shown: [string, number][] = []
  const loop = createRenderScheduler({
    now: () => time,
    schedule: (run) => (next = run),
    settle: () => Promise.resolve(),
    drawn: () => {
      time += drawing
      return Promise.resolve()
    },
  })
  return {
    shown,
    request: (key: string, urgent = false) => {
      const show = () => {
        shown.push([key, time])
        time += cost[key] ?? 0
      }
      loop.request(key, show, urgent)
    },
    fail: (key: string, error: Error) =>
      loop.request(key, () => {
        throw error
      }),
    cancel: loop.cancel,
    deadline: loop.deadline,
    pass: (ms: number) => (time += ms),
    async frame() {
      time += 16
      const run = next
      next = null
      run?.()
      // The loop awaits once a pane.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    },
    idle: () => next === null,
  }
}

describe('the render scheduler', () => {
  it('shows a pane at most 20 times a second, however often it is asked', async () => {
    const b = bench()
    for (let n = 0; n < 63; n++) {
      for (let token = 0; token < 5; token++) b.request('a')
      await b.frame()
    }
    expect(b.shown.length).toBeGreaterThan(14)
    expect(b.shown.length).toBeLessThanOrEqual(20)
  })

  it('shows the last request even when nothing follows, and then rests', async () => {
    const b = bench()
    b.request('a')
    await b.frame()
    b.request('a')
    for (let n = 0; n < 6; n++) await b.frame()
    expect(b.shown).toHaveLength(2)
    expect(b.idle()).toBe(true)
  })

  it('takes one of many expensive panes a frame, and each pane equally often', async () => {
    const b = bench({ a: 5, b: 5, c: 5 }, 15)
    for (let n = 0; n < 30; n++) {
      for (const key of ['a', 'b', 'c']) b.request(key)
      const before = b.shown.length
      await b.frame()
      // What a pane costs is known after some.
      if (n > 9) expect(b.shown.length - before).toBeLessThanOrEqual(1)
    }
    const count = (key: string) => b.shown.filter(([shown]) => shown === key).length
    const counts = ['a', 'b', 'c'].map(count)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
  })

  it('takes panes that cost little together', async () => {
    const b = bench({ a: 1, b: 1, c: 1 }, 3)
    for (let n = 0; n < 10; n++) {
      for (const key of ['a', 'b', 'c']) b.request(key)
      const before = b.shown.length
      await b.frame()
      expect([0, 3]).toContain(b.shown.length - before)
    }
  })

  it('takes more of those that end, but not all at any cost', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    const b = bench(Object.fromEntries(keys.map((key) => [key, 20])), 10)
    for (const key of keys) b.request(key)
    for (let n = 0; n < 60; n++) await b.frame()
    expect(b.shown).toHaveLength(6)
    for (const key of keys) b.request(key, true)
    const before = b.shown.length
    for (let n = 0; b.shown.length === before; n++) await b.frame()
    expect(b.shown.length - before).toBeGreaterThanOrEqual(2)
    expect(b.shown.length - before).toBeLessThan(6)
  })

  it('expects a further pane to add less than the first one', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    const b = bench(Object.fromEntries(keys.map((key) => [key, 5])), 30)
    for (let n = 0; n < 20; n++) {
      b.request('a', true)
      await b.frame()
    }
    for (const key of keys) b.request(key, true)
    await b.frame()
    expect(b.shown).toHaveLength(20 + 4)
  })

  it('leaves out no frame where there is something to show', async () => {
    const b = bench({ a: 10, b: 10 }, 50)
    for (let n = 0; n < 40; n++) {
      b.request('a')
      b.request('b')
      const before = b.shown.length
      await b.frame()
      expect(b.shown.length).toBeGreaterThan(before)
    }
  })

  it('ends the time of a pane', async () => {
    const b = bench()
    const alone = b.deadline()
    expect(alone()).toBe(false)
    b.pass(25)
    expect(alone()).toBe(true)
    b.request('a')
    await b.frame()
    expect(b.deadline()()).toBe(false)
  })

  it('shows what is urgent in the next frame', async () => {
    const b = bench()
    b.request('a')
    await b.frame()
    b.request('a', true)
    await b.frame()
    expect(b.shown).toHaveLength(2)
  })

  it('reports an error in one pane, and shows the others', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const b = bench()
    const failure = new Error('broken on purpose')
    b.fail('a', failure)
    b.request('b')
    await b.frame()
    expect(reported).toHaveBeenCalledExactlyOnceWith(failure)
    b.request('b', true)
    await b.frame()
    expect(b.shown.map(([key]) => key)).toEqual(['b', 'b'])
    vi.unstubAllGlobals()
  })

  it('forgets what is cancelled', async () => {
    const b = bench()
    b.request('a')
    b.cancel('a')
    await b.frame()
    expect(b.shown).toEqual([])
  })
})

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
    requestWith: (key: string, show: () => void) => loop.request(key, show),
    cancel: loop.cancel,
    deadline: loop.deadline,
    pass: (ms: number) => (time += ms),
    async frame() {
      time += 16
      const run = next
      next = null
      run?.()
      // The loop awaits once for each part.
      for (let step = 0; step < 20; step++) await Promise.resolve()
    },
    idle: () => next === null,
  }
}

describe('the render scheduler', () => {
  it('renders a pane at most 20 times a second, however many requests it makes', async () => {
    const b = bench()
    for (let n = 0; n < 63; n++) {
      for (let token = 0; token < 5; token++) b.request('a')
      await b.frame()
    }
    expect(b.shown.length).toBeGreaterThan(14)
    expect(b.shown.length).toBeLessThanOrEqual(20)
  })

  it('renders the last request even when nothing follows, and then schedules no frame', async () => {
    const b = bench()
    b.request('a')
    await b.frame()
    b.request('a')
    for (let n = 0; n < 6; n++) await b.frame()
    expect(b.shown).toHaveLength(2)
    expect(b.idle()).toBe(true)
  })

  it('renders one of many expensive panes per frame, and each pane equally often', async () => {
    const b = bench({ a: 5, b: 5, c: 5 }, 15)
    for (let n = 0; n < 30; n++) {
      for (const key of ['a', 'b', 'c']) b.request(key)
      const before = b.shown.length
      await b.frame()
      // The cost of a pane is known only after some frames.
      if (n > 9) expect(b.shown.length - before).toBeLessThanOrEqual(1)
    }
    const count = (key: string) => b.shown.filter(([shown]) => shown === key).length
    const counts = ['a', 'b', 'c'].map(count)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
  })

  it('renders cheap panes in one frame', async () => {
    const b = bench({ a: 1, b: 1, c: 1 }, 3)
    for (let n = 0; n < 10; n++) {
      for (const key of ['a', 'b', 'c']) b.request(key)
      const before = b.shown.length
      await b.frame()
      expect([0, 3]).toContain(b.shown.length - before)
    }
  })

  it('renders more urgent panes per frame, up to its longer limit', async () => {
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

  it('expects a further pane to cost less than the first one', async () => {
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

  it('renders something in every frame in which a pane is due', async () => {
    const b = bench({ a: 10, b: 10 }, 50)
    for (let n = 0; n < 40; n++) {
      b.request('a')
      b.request('b')
      const before = b.shown.length
      await b.frame()
      expect(b.shown.length).toBeGreaterThan(before)
    }
  })

  it('limits the time of a pane, in a frame and outside of one', async () => {
    const b = bench()
    const alone = b.deadline()
    expect(alone()).toBe(false)
    b.pass(25)
    expect(alone()).toBe(true)
    b.request('a')
    await b.frame()
    expect(b.deadline()()).toBe(false)
  })

  it('renders an urgent request in the next frame', async () => {
    const b = bench()
    b.request('a')
    await b.frame()
    b.request('a', true)
    await b.frame()
    expect(b.shown).toHaveLength(2)
  })

  it('keeps a request urgent when one that is not replaces it', async () => {
    const b = bench()
    b.request('a')
    await b.frame()
    b.request('a', true)
    b.request('a')
    await b.frame()
    expect(b.shown).toHaveLength(2)
    b.request('a')
    await b.frame()
    expect(b.shown).toHaveLength(2)
  })

  it('renders the newest request of a pane, also if it was made within the frame', async () => {
    const b = bench()
    const first = vi.fn()
    const second = vi.fn()
    b.requestWith('a', () => b.requestWith('b', second))
    b.requestWith('b', first)
    await b.frame()
    expect(first).not.toHaveBeenCalled()
    expect(second).toHaveBeenCalledOnce()
  })

  it('reports an error in one pane, and renders the others', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const b = bench()
    const failure = new Error('broken on purpose')
    b.requestWith('a', () => {
      throw failure
    })
    b.request('b')
    await b.frame()
    expect(reported).toHaveBeenCalledExactlyOnceWith(failure)
    b.request('b', true)
    await b.frame()
    expect(b.shown.map(([key]) => key)).toEqual(['b', 'b'])
    vi.unstubAllGlobals()
  })

  it('does not render a cancelled request', async () => {
    const b = bench()
    b.request('a')
    b.cancel('a')
    await b.frame()
    expect(b.shown).toEqual([])
  })
})

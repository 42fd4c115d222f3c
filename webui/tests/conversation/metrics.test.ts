import { describe, expect, it } from 'vitest'
import { metricsOf } from '../../src/conversation/metrics'
import { send, start, delta, done, run, last } from './events'

describe('metricsOf', () => {
  it("uses the worker's times", () => {
    expect(metricsOf(last(run(send('q'), start, delta('a'), done('length'))))).toEqual({
      queueMs: 1,
      ttftMs: 40,
      totalMs: 900,
      tokensPerSecond: 8.5,
      tokens: 7,
      finish: 'length',
      measuredBy: 'worker',
    })
  })

  it("falls back on the page's times", () => {
    const stopped = last(run(send('q'), start, delta('a'), { type: 'stop', at: 1500 }))
    expect(metricsOf(stopped)).toMatchObject({
      ttftMs: 100,
      totalMs: 500,
      tokens: null,
      finish: 'cancelled',
      measuredBy: 'page',
    })
  })
})

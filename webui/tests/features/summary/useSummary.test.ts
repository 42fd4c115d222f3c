import { describe, expect, it } from 'vitest'
import type { Metrics } from '../../../src/conversation/metrics'
import { withBest } from '../../../src/features/summary/useSummary'

const row = (ttftMs: number, tokensPerSecond: number | null, status: 'done' | 'stopped' = 'done') =>
  ({
    pane: {} as never,
    status,
    metrics: { ttftMs, tokensPerSecond, totalMs: 100 } as Metrics,
  }) as const
const bests = (rows: Parameters<typeof withBest>[0]) => withBest(rows).map(({ best }) => [...best])

describe('the best', () => {
  it('is the quickest to begin and the one with most tokens a second', () => {
    expect(bests([row(10, 5), row(20, 9), row(30, null)])).toEqual([
      ['ttftMs'],
      ['tokensPerSecond'],
      [],
    ])
  })

  it('may be several, and none where all are equal', () => {
    expect(bests([row(10, 5), row(10, 5), row(30, 5)])).toEqual([['ttftMs'], ['ttftMs'], []])
    expect(bests([row(10, 5), row(10, 5)])).toEqual([[], []])
  })

  it('is marked once all have ended, among complete answers', () => {
    const streaming = { pane: {} as never, status: 'streaming' as const, metrics: null }
    expect(bests([row(10, 5), row(20, 9), streaming])).toEqual([[], [], []])
    expect(bests([row(10, 5, 'stopped'), row(20, 9), row(30, 8)])[0]).toEqual([])
  })
})

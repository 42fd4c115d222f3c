/**
 * Compares the newest turn of all panes in figures.
 *
 * Depends on which answers are busy and on ended answers only, so a token does not recompute it.
 */
import { computed } from 'vue'
import { askedAt } from '../../conversation/matching'
import { metricsOf } from '../../conversation/metrics'
import type { Metrics } from '../../conversation/metrics'
import type { Pane } from '../../conversation/panes'
import { isBusy } from '../../conversation/turns'
import type { Answer, AnswerStatus } from '../../conversation/turns'
import { useArena } from '../arena/arenaStore'

/** The compared figures and which value is best. A number of tokens is neither good nor bad. */
const BETTER = {
  ttftMs: Math.min,
  tokensPerSecond: Math.max,
  totalMs: Math.min,
} as const
export type Compared = keyof typeof BETTER

export interface SummaryRow {
  pane: Pane
  status: AnswerStatus
  /** Null while the answer streams. */
  metrics: Metrics | null
  best: Set<Compared>
}

interface Entry {
  pane: Pane
  status: AnswerStatus
  answer: Answer | null
}

export function useSummary() {
  const arena = useArena()

  // Returns the old array while it is equal, so that `rows` is not computed again.
  const entries = computed<Entry[]>((old) => {
    const now = newest()
    const isSame =
      old?.length === now.length &&
      now.every(({ pane, status, answer }, index) => {
        const before = old[index]!
        return before.pane === pane && before.status === status && before.answer === answer
      })
    return isSame ? old : now
  })

  /** The panes whose last prompt is the one that was sent last. */
  function newest(): Entry[] {
    const lasts = arena.panes.flatMap((pane) => {
      const turn = arena.state(pane.id).turns.at(-1)
      return turn ? [{ pane, turn, at: askedAt(turn) }] : []
    })
    const at = Math.max(...lasts.map((last) => last.at))
    const prompt = lasts.find((last) => last.at === at)?.turn.prompt
    return lasts
      .filter(({ turn }) => turn.prompt === prompt)
      .map(({ pane, turn: { answer } }) => ({
        pane,
        status: answer.status,
        answer: isBusy(answer) ? null : answer,
      }))
  }

  const rows = computed<SummaryRow[]>(() =>
    withBest(
      entries.value.map(({ pane, status, answer }) => ({
        pane,
        status,
        metrics: answer && metricsOf(answer),
      })),
    ),
  )
  const most = computed(() => {
    const of = (key: Compared) => Math.max(0, ...rows.value.map((row) => row.metrics?.[key] ?? 0))
    return { ttftMs: of('ttftMs'), tokensPerSecond: of('tokensPerSecond'), totalMs: of('totalMs') }
  })

  return { rows, most }
}

/** Marks the best values: once all answers have ended, and among the complete ones only. */
export function withBest(rows: Omit<SummaryRow, 'best'>[]): SummaryRow[] {
  const complete = rows.every(({ metrics }) => metrics)
    ? rows.filter(({ status }) => status === 'done')
    : []
  const bests = (Object.keys(BETTER) as Compared[]).map((key) => {
    const values = complete.map(({ metrics }) => metrics![key]).filter((value) => value !== null)
    const isContest = new Set(values).size > 1
    return [key, isContest ? BETTER[key](...values) : null] as const
  })
  return rows.map((row) => {
    const bestHere = bests.filter(
      ([key, value]) => value !== null && complete.includes(row) && row.metrics![key] === value,
    )
    return { ...row, best: new Set(bestHere.map(([key]) => key)) }
  })
}

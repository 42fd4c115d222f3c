/**
 * One loop that shows what has streamed in, for all panes together.
 *
 * A pane is shown at most every `interval` ms, and less often where that would take more than half
 * of the time; a frame stops after `budget` ms of work and leaves the rest to the next one, so that
 * many fast panes never block typing. Clock and scheduling can be injected.
 */
import { nextTick } from 'vue'

export interface FrameLoopOptions {
  interval?: number
  budget?: number
  now?: () => number
  schedule?: (run: () => void) => void
  /** Resolves when the work of one pane has reached the DOM. */
  settle?: () => Promise<void>
}

export interface FrameLoop {
  /** Show soon; `urgent` does not wait for the interval, only for its turn. */
  request(key: string, show: () => void, urgent?: boolean): void
  cancel(key: string): void
}

export function createFrameLoop(options: FrameLoopOptions = {}): FrameLoop {
  const { interval = 50, budget = 8, now = () => performance.now() } = options
  const { schedule = nextFrame, settle = nextTick } = options
  const pending = new Map<string, { show: () => void; urgent: boolean }>()
  const shownAt = new Map<string, number>()
  const costs = new Map<string, number>()
  let scheduled = false

  async function frame() {
    const began = now()
    const rest = Math.max(interval, 2 * costOfAll())
    for (const [key, { show, urgent }] of [...pending]) {
      if (!urgent && began - (shownAt.get(key) ?? -Infinity) < rest) continue
      if (!pending.delete(key)) continue
      // To the back of the line, so that a frame over budget does not always leave out the same.
      shownAt.delete(key)
      shownAt.set(key, began)
      const start = now()
      show()
      await settle()
      costs.set(key, now() - start)
      if (now() - began > budget) break
    }
    scheduled = false
    wake()
  }

  /** What it took last time to show all that waits. */
  function costOfAll() {
    let sum = 0
    for (const key of pending.keys()) sum += costs.get(key) ?? 0
    return sum
  }

  function wake() {
    if (scheduled || !pending.size) return
    scheduled = true
    schedule(() => void frame())
  }

  return {
    request(key, show, urgent = false) {
      pending.set(key, { show, urgent })
      wake()
    },
    cancel(key) {
      pending.delete(key)
    },
  }
}

/** A hidden tab gets no frames, but its answers go on. */
function nextFrame(run: () => void) {
  if (document.visibilityState === 'hidden') setTimeout(run, 500)
  else requestAnimationFrame(run)
}

/**
 * One loop that shows what has streamed in, for all panes together.
 *
 * A pane is shown at most every `interval` ms, and a frame takes as many panes as fit into it by
 * what a pane cost lately, the browser's own layout and painting included: one where answers are
 * fast and many, so that a key is soon answered, and more of those that begin or end, which many
 * may do at once. No frame is left out: the browser needs the next one anyway, to look what its
 * mouse is over now, and a pane in it costs less than one in a frame of its own. Clock and
 * scheduling can be injected.
 */
import { nextTick } from 'vue'

export interface RenderSchedulerOptions {
  interval?: number
  now?: () => number
  /** Runs at the next frame. */
  schedule?: (run: () => void) => void
  /** Resolves when the work of one pane has reached the DOM. */
  settle?: () => Promise<void>
  /** Resolves when the browser has drawn the frame. */
  drawn?: () => Promise<void>
}

export interface RenderScheduler {
  /** Show soon; `urgent` does not wait for the interval, only for its turn. */
  request(key: string, show: () => void, urgent?: boolean): void
  cancel(key: string): void
  /** Says when the time of the pane that is being shown is over; outside of a frame, from now. */
  deadline(): () => boolean
}

/** ms that a frame may cost in which texts grow. */
const GROWING = 25
/** ms that a frame may cost in which answers begin or end. */
const URGENT = 90
/** ms of work on one pane; what is left over comes later. */
const BUDGET = 24

/** Of what a frame with one pane costs, what each further pane adds; the rest is paid once. */
const EACH = 0.4
const parts = (panes: number) => 1 + (panes - 1) * EACH

export function createRenderScheduler(options: RenderSchedulerOptions = {}): RenderScheduler {
  const { interval = 50, now = () => performance.now() } = options
  const { schedule = nextFrame, settle = nextTick, drawn = afterFrame } = options
  const pending = new Map<string, { show: () => void; urgent: boolean }>()
  const shownAt = new Map<string, number>()
  let scheduled = false
  let began: number | null = null
  /** ms that a frame with one pane cost lately. */
  let cost = 0

  async function frame() {
    const start = now()
    let count = 0
    for (const [key, { show, urgent }] of [...pending]) {
      if (!urgent && start - (shownAt.get(key) ?? -Infinity) < interval) continue
      const expected = Math.max(now() - start, cost * parts(count)) + cost * EACH
      if (count && expected > (urgent ? URGENT : GROWING)) continue
      // What is asked for again goes to the back of the line, so that nobody is left out for long.
      if (!pending.delete(key)) continue
      shownAt.set(key, start)
      count++
      began = now()
      try {
        show()
        await settle()
      } catch (error) {
        // A mistake of ours in one pane is told, and the others go on.
        reportError(error)
      }
    }
    began = null
    await drawn()
    scheduled = false
    if (count) cost = (cost + (now() - start) / parts(count)) / 2
    wake()
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
      shownAt.delete(key)
    },
    deadline() {
      const end = (began ?? now()) + BUDGET
      return () => now() > end
    },
  }
}

/** A hidden tab gets no frames, but its answers go on. */
function nextFrame(run: () => void) {
  if (document.visibilityState === 'hidden') setTimeout(run, 500)
  else requestAnimationFrame(() => afterKeys(run))
}

let keyPressed = false

/** What somebody types is drawn in a frame that has nothing else to draw. */
function afterKeys(run: () => void) {
  if (!keyPressed) return run()
  keyPressed = false
  requestAnimationFrame(run)
}

globalThis.addEventListener?.('keydown', () => (keyPressed = true), {
  capture: true,
  passive: true,
})

/** The first task after a frame's. */
function afterFrame(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}

export const renderScheduler = createRenderScheduler()

/**
 * Decides when each pane is rendered: one scheduler for all panes of the page.
 *
 * Events arrive far more often than anyone can read: twelve panes at 100 tokens a second are 1200
 * events a second, and rendering a pane takes milliseconds. So events change plain data, and a pane
 * asks here to be rendered (`request`).
 *
 * - A pane is rendered at most every 50 ms (`interval`): text that grows 20 times a second looks
 *   fluent, and twice the rate would double the work.
 * - A frame takes as many panes as fit into 25 ms by their recent cost, which includes the browser's
 *   layout and painting. With fast answers in many panes this is one pane a frame, so a key press
 *   waits for one pane at most.
 * - An urgent request does not wait for its interval and its frame may take 90 ms. It shows that an
 *   answer begins or ends, often in all panes at the same moment; to a person, panes that end in one
 *   frame end together.
 * - No frame is skipped while a pane waits. The browser needs the next frame anyway to find out what
 *   is below the mouse, and a further pane costs less in the same frame than in a frame of its own.
 *
 * Invariant: a request is either in `pending` or has been rendered, and while `pending` has an entry
 * a frame is scheduled or running. Panes are taken in the order of their requests. A pane that asks
 * again after it was rendered goes to the end of the line, so every pane has its turn.
 *
 * Clock and scheduling can be injected for tests.
 */
import { nextTick } from 'vue'

export interface RenderSchedulerOptions {
  /** Least time between two renderings of a pane, in milliseconds. */
  interval?: number
  now?: () => number
  /** Runs a function in the next frame. */
  schedule?: (run: () => void) => void
  /** Resolves when the change of one pane is in the document. */
  settle?: () => Promise<void>
  /** Resolves when the browser has painted the frame. */
  drawn?: () => Promise<void>
}

export interface RenderScheduler {
  /** Calls `show` once, soon. A request with a key that is waiting replaces that one, in its place. */
  request(key: string, show: () => void, urgent?: boolean): void
  cancel(key: string): void
  /**
   * A function that returns whether the pane now rendered has used up its time. Called outside of a
   * frame, the time starts now.
   */
  deadline(): () => boolean
}

/** ms that a frame may take in which texts grow: above this a key press feels late. */
const GROWING_MS = 25
/** ms that a frame may take in which answers begin or end: below 100 ms a change feels immediate. */
const URGENT_MS = 90
/**
 * ms of work on one pane; the rest is left for its next turn. Just below GROWING_MS, so that a pane
 * with a long text uses a frame alone and does not exceed it.
 */
const PANE_MS = 24

/**
 * Share of a one-pane frame's cost that each further pane adds. The other 60 % (style, layout and
 * paint of the page) are paid once a frame, whatever it contains.
 */
const FURTHER_PANE = 0.4
const costFactor = (panes: number) => 1 + (panes - 1) * FURTHER_PANE

export function createRenderScheduler(options: RenderSchedulerOptions = {}): RenderScheduler {
  const { interval = 50, now = () => performance.now() } = options
  const { schedule = nextFrame, settle = nextTick, drawn = afterPaint } = options
  const pending = new Map<string, { show: () => void; urgent: boolean }>()
  const shownAt = new Map<string, number>()
  let scheduled = false
  let began: number | null = null
  /** Running mean of what a frame with one pane costs, in ms. Recent frames count most. */
  let cost = 0

  async function frame() {
    const start = now()
    let count = 0
    for (const [key, { show, urgent }] of [...pending]) {
      if (!urgent && start - (shownAt.get(key) ?? -Infinity) < interval) continue
      // The larger of what has been measured in this frame and what its panes usually cost: layout
      // and paint come after this loop and are not measured yet.
      const expected = Math.max(now() - start, cost * costFactor(count)) + cost * FURTHER_PANE
      // The first pane is always taken, however expensive it is; otherwise it would never be shown.
      if (count && expected > (urgent ? URGENT_MS : GROWING_MS)) continue
      // Deleted before it is shown: a request made meanwhile gets a new place at the end. Skipped if
      // the request was cancelled while an earlier pane of this frame settled.
      if (!pending.delete(key)) continue
      shownAt.set(key, start)
      count++
      began = now()
      try {
        show()
        await settle()
      } catch (error) {
        // Any exception: an error in one pane is reported and must not stop the others.
        reportError(error)
      }
    }
    began = null
    await drawn()
    scheduled = false
    if (count) cost = (cost + (now() - start) / costFactor(count)) / 2
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
      const end = (began ?? now()) + PANE_MS
      return () => now() > end
    },
  }
}

/** A hidden tab gets no animation frames, but its answers have to be kept up to date. */
function nextFrame(run: () => void) {
  if (document.visibilityState === 'hidden') setTimeout(run, 500)
  else requestAnimationFrame(() => afterKeys(run))
}

let keyPressed = false

/** Leaves the frame after a key press to the browser, so typed text appears without delay. */
function afterKeys(run: () => void) {
  if (!keyPressed) return run()
  keyPressed = false
  requestAnimationFrame(run)
}

globalThis.addEventListener?.('keydown', () => (keyPressed = true), {
  capture: true,
  passive: true,
})

/** Resolves in the first task after the current frame, when layout and paint are done. */
function afterPaint(): Promise<void> {
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

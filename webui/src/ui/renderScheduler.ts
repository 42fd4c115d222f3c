/**
 * Decides when the parts of the page that answers change are rendered: one scheduler for all.
 *
 * Events arrive far more often than anyone can read: twelve panes at 100 tokens a second are 1200
 * events a second, and rendering a pane takes milliseconds. So events change plain data, and a part
 * asks here to be rendered (`request`). A part is what has a key of its own: a pane, or the text of
 * an answer whose rendering takes more than one frame.
 *
 * - A part is rendered at most every 50 ms (`interval`): text that grows 20 times a second looks
 *   fluent, and twice the rate would double the work.
 * - A frame takes as many parts as fit into 25 ms by their recent cost, which includes the browser's
 *   layout and painting. With fast answers in many panes this is one pane a frame, so a key press
 *   waits for one pane at most.
 * - An urgent request does not wait for its interval and its frame may take 90 ms. It shows that an
 *   answer begins or ends, often in all panes at the same moment; to a person, panes that end in one
 *   frame end together.
 * - Every frame renders what is due, except the frame after a key press (`afterKeys`). The browser
 *   needs the next frame anyway to find out what is below the mouse, and a further part costs less in
 *   the same frame than in a frame of its own.
 *
 * Invariant: a request stays in `pending` until it is rendered, replaced or cancelled, and while
 * `pending` has an entry a frame is scheduled or running. Parts are taken in the order of their
 * requests. A part that asks again after it was rendered goes to the end of the line, so none is
 * passed over for ever.
 *
 * Clock and scheduling can be injected for tests.
 */
import { nextTick } from 'vue'

export interface RenderSchedulerOptions {
  /** Least time between two renderings of a part, in milliseconds. */
  interval?: number
  now?: () => number
  /** Runs a function in the next frame. */
  schedule?: (run: () => void) => void
  /** Resolves when the change of one part is in the document. */
  settle?: () => Promise<void>
  /** Resolves when the browser has painted the frame. */
  drawn?: () => Promise<void>
}

export interface RenderScheduler {
  /**
   * Calls `show` once, soon. It replaces a waiting request with the same key, in its place. The
   * replacement stays urgent if either is: an answer's first text must not delay its beginning.
   */
  request(key: string, show: () => void, urgent?: boolean): void
  cancel(key: string): void
  /**
   * A function that returns whether the part now rendered has used up its time. If `deadline` is
   * called outside of a frame, the time starts with the call.
   */
  deadline(): () => boolean
}

/** ms that a frame may take in which texts grow: above this a key press feels late. */
const GROWING_MS = 25
/** ms that a frame may take in which answers begin or end: below 100 ms a change feels immediate. */
const URGENT_MS = 90
/**
 * ms of work on one part; the rest is left for a later frame. Just below GROWING_MS, so that a part
 * with a long text uses a frame alone and does not exceed it.
 */
const PART_MS = 24

/**
 * Share of a one-part frame's cost that each further part adds. The other 60 % (style, layout and
 * paint of the page) are paid once a frame, whatever it contains. Measured: see "The page under
 * load" in docs/benchmarks.md.
 */
const FURTHER_PART = 0.4
const costFactor = (parts: number) => 1 + (parts - 1) * FURTHER_PART

/**
 * ms until the next rendering in a hidden tab. It is not seen, but it starts the next autosave, which
 * follows within 2 s. Less would gain nothing: browsers run timers of hidden tabs about once a second.
 */
const HIDDEN_MS = 500

export function createRenderScheduler(options: RenderSchedulerOptions = {}): RenderScheduler {
  const { interval = 50, now = () => performance.now() } = options
  const { schedule = nextFrame, settle = nextTick, drawn = afterPaint } = options
  const pending = new Map<string, { show: () => void; urgent: boolean }>()
  const shownAt = new Map<string, number>()
  let scheduled = false
  let began: number | null = null
  /** Running mean of what a frame with one part costs, in ms. Recent frames count most. */
  let cost = 0

  async function frame() {
    const start = now()
    let count = 0
    for (const key of [...pending.keys()]) {
      // Read now and not before the loop: while an earlier part of this frame settled, the request
      // may have been replaced, or cancelled.
      const request = pending.get(key)
      if (!request) continue
      const { show, urgent } = request
      if (!urgent && start - (shownAt.get(key) ?? -Infinity) < interval) continue
      // The larger of what has been measured in this frame and what its parts usually cost: layout
      // and paint come after this loop and are not measured yet.
      const expected = Math.max(now() - start, cost * costFactor(count)) + cost * FURTHER_PART
      // The first part is always taken, however expensive it is; otherwise it would never be shown.
      if (count && expected > (urgent ? URGENT_MS : GROWING_MS)) continue
      // Deleted before it is shown: a request made meanwhile gets a new place at the end.
      pending.delete(key)
      shownAt.set(key, start)
      count++
      began = now()
      try {
        show()
        await settle()
      } catch (error) {
        // Any exception: an error in one part is reported and must not stop the others.
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
      pending.set(key, { show, urgent: urgent || (pending.get(key)?.urgent ?? false) })
      wake()
    },
    cancel(key) {
      pending.delete(key)
      shownAt.delete(key)
    },
    deadline() {
      const end = (began ?? now()) + PART_MS
      return () => now() > end
    },
  }
}

/**
 * Runs a function in the next frame. A hidden tab gets no animation frames, so a timer replaces them
 * there. A frame that was requested before the tab was hidden runs when the tab is shown again.
 */
function nextFrame(run: () => void) {
  if (document.visibilityState === 'hidden') setTimeout(run, HIDDEN_MS)
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

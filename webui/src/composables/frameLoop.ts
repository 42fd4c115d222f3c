/**
 * One loop that shows what has streamed in, for all panes together.
 *
 * A pane is shown at most every `interval` ms. A frame stops after `budget` ms of work, leaves the
 * rest to a later one, and is followed by a rest in proportion to what it cost in all, the
 * browser's own layout and painting included: so many fast panes leave time for typing. Clock and
 * scheduling can be injected.
 */
import { nextTick } from 'vue'

export interface FrameLoopOptions {
  interval?: number
  budget?: number
  now?: () => number
  /** Runs at the next frame, but not for so many ms. */
  schedule?: (run: () => void, delay: number) => void
  /** Resolves when the work of one pane has reached the DOM. */
  settle?: () => Promise<void>
  /** Resolves when the browser has drawn the frame. */
  drawn?: () => Promise<void>
}

export interface FrameLoop {
  /** Show soon; `urgent` does not wait for the interval, only for its turn. */
  request(key: string, show: () => void, urgent?: boolean): void
  cancel(key: string): void
  /** Says when the time of this frame is over; outside of one, when as much time is. */
  deadline(): () => boolean
}

/** Of a frame's cost: what is left for the rest of the page, and for other processes. */
const REST = 0.15

export function createFrameLoop(options: FrameLoopOptions = {}): FrameLoop {
  const { interval = 50, budget = 16, now = () => performance.now() } = options
  const { schedule = nextFrame, settle = nextTick, drawn = afterFrame } = options
  const pending = new Map<string, { show: () => void; urgent: boolean }>()
  const shownAt = new Map<string, number>()
  let scheduled = false
  let restedAt = 0
  let began: number | null = null

  async function frame() {
    const start = now()
    began = start
    for (const [key, { show, urgent }] of [...pending]) {
      if (!urgent && start - (shownAt.get(key) ?? -Infinity) < interval) continue
      if (!pending.delete(key)) continue
      // To the back of the line, so that a frame over budget does not always leave out the same.
      shownAt.delete(key)
      shownAt.set(key, start)
      try {
        show()
        await settle()
      } catch (error) {
        // A mistake of ours in one pane is told, and the others go on.
        reportError(error)
      }
      if (now() - start > budget) break
    }
    began = null
    await drawn()
    scheduled = false
    const end = now()
    restedAt = end + (end - start) * REST
    wake()
  }

  function wake() {
    if (scheduled || !pending.size) return
    scheduled = true
    schedule(() => void frame(), Math.max(0, restedAt - now()))
  }

  return {
    request(key, show, urgent = false) {
      pending.set(key, { show, urgent })
      wake()
    },
    cancel(key) {
      pending.delete(key)
    },
    deadline() {
      const end = (began ?? now()) + budget
      return () => now() > end
    },
  }
}

/** A hidden tab gets no frames, but its answers go on. */
function nextFrame(run: () => void, delay: number) {
  if (document.visibilityState === 'hidden') setTimeout(run, 500)
  else if (delay > 1) setTimeout(() => nextFrame(run, 0), delay)
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

export const frames = createFrameLoop()

// Observes one prompt on the page: long tasks, keys, and when each pane shows its whole text.
globalThis.watched = (() => {
  const SHORTEST_REPORTED = 16 // ms; the browser does not report shorter events
  const ENDED = /Ended at ([\d.]+)\s*$/
  let tasks, keys, shown, begun

  new PerformanceObserver((list) => {
    for (const { duration, startTime } of list.getEntries()) {
      if (startTime > begun) tasks?.push(duration) // earlier tasks are reported late
    }
  }).observe({ type: 'longtask' })

  const late = new Map()
  new PerformanceObserver((list) => {
    for (const { name, duration, startTime } of list.getEntries()) {
      if (name === 'keydown') late.set(startTime, duration)
    }
  }).observe({ type: 'event', durationThreshold: SHORTEST_REPORTED })
  addEventListener('keydown', ({ timeStamp }) => keys?.push(timeStamp), true)

  /** The end time in a pane's last words. Reads no more, because it is called often on a busy page. */
  function saidAt(pane) {
    let end = [...pane.querySelectorAll('[data-testid=answer-text]')].at(-1)
    while (end?.lastElementChild) end = end.lastElementChild
    return ENDED.exec(end?.textContent ?? '')
  }

  function look(pane) {
    if (!shown || shown.has(pane) || pane.dataset.status !== 'done') return
    shown.set(pane, null)
    wait(pane)
  }

  // A pane may have the status "done" before its last block is rendered.
  function wait(pane) {
    const said = saidAt(pane)
    if (!said) return requestAnimationFrame(() => wait(pane))
    // In the task after a frame, the document has been drawn.
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => shown.set(pane, { at: Date.now() / 1000, said: Number(said[1]) })
      port2.postMessage(null)
    })
  }

  return {
    begin() {
      begun = performance.now()
      tasks = []
      keys = []
      shown = new Map()
      late.clear()
      const panes = document.querySelectorAll('[data-testid=pane]')
      const observer = new MutationObserver(() => panes.forEach(look))
      panes.forEach((pane) => observer.observe(pane, { attributeFilter: ['data-status'] }))
      this.ended = new Promise((resolve) => {
        const timer = setInterval(() => {
          if (shown.size < panes.length || [...shown.values()].includes(null)) return
          clearInterval(timer)
          observer.disconnect()
          setTimeout(() => resolve(this.seen()), 500) // the browser's reports arrive later
        }, 100)
      })
    },
    /** Drops the Enter that sent the prompt. */
    forgetKeys() {
      keys = []
    },
    seen() {
      const ends = [...shown.values()]
      const seen = {
        behind: Math.max(...ends.map(({ at }) => at)) - Math.max(...ends.map(({ said }) => said)),
        task: Math.max(0, ...tasks),
        keys: keys.map((key) => late.get(key) ?? SHORTEST_REPORTED),
      }
      tasks = keys = shown = undefined // references would keep closed panes in memory
      return seen
    },
  }
})()

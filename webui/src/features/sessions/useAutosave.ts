/** Saves the session shortly after each change, and at once when the page is hidden or left. */
import { onBeforeUnmount, onMounted, watch } from 'vue'
import { useArena } from '../arena/arenaStore'
import { useSession } from './sessionStore'

/** Delay after the last change. */
const DELAY_MS = 400
/** Longest delay after the first one: a stream changes all the time and would put off every save. */
const LONGEST_MS = 2000

export function useAutosave() {
  const arena = useArena()
  const session = useSession()
  let timer: ReturnType<typeof setTimeout> | undefined
  let waitingSince = 0
  let leaving = false

  function saveNow() {
    clearTimeout(timer)
    waitingSince = 0
    void session.save()
  }

  function later() {
    const now = Date.now()
    waitingSince ||= now
    clearTimeout(timer)
    timer = setTimeout(saveNow, Math.min(DELAY_MS, Math.max(0, waitingSince + LONGEST_MS - now)))
  }

  function onVisibility() {
    // A page that is left becomes hidden after `pagehide`, when everything has been kept already.
    if (leaving) return
    if (document.visibilityState === 'visible') void session.refresh()
    else if (waitingSince) saveNow()
  }

  function onLeave() {
    leaving = true
    session.leave()
  }

  const onReturn = () => (leaving = false)

  watch(() => arena.revision, later)
  watch(() => arena.panes, later, { deep: true })
  onMounted(() => {
    document.addEventListener('visibilitychange', onVisibility)
    window.addEventListener('pagehide', onLeave)
    window.addEventListener('pageshow', onReturn)
  })
  onBeforeUnmount(() => {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', onVisibility)
    window.removeEventListener('pagehide', onLeave)
    window.removeEventListener('pageshow', onReturn)
  })
}

/** The same for several panes: one prompt to all or to one, stop all, regenerate all. */
import { computed } from 'vue'
import { useArena } from '../stores/arena'
import { useWorkers } from '../stores/workers'
import { useChatStream } from './useChatStream'

export function useBroadcast() {
  const arena = useArena()
  const workers = useWorkers()
  const stream = useChatStream()

  const isMuted = (url: string) => workers.find(url)?.muted ?? false
  const audience = computed(() =>
    arena.panes.filter(({ workerUrl }) => !isMuted(workerUrl)).map(({ id }) => id),
  )
  /** The panes that the next prompt goes to. */
  const targets = computed(() => (arena.targetId ? [arena.targetId] : audience.value))
  const busy = computed(() => arena.busyIds.length > 0)
  const canSend = computed(
    () => targets.value.length > 0 && !targets.value.some((id) => arena.busyIds.includes(id)),
  )

  function send(prompt: string): boolean {
    if (!canSend.value || !prompt.trim()) return false
    for (const id of targets.value) void stream.send(id, prompt)
    return true
  }

  function stopAll() {
    for (const id of arena.busyIds) stream.stop(id)
  }

  function regenerateAll() {
    for (const id of audience.value) void stream.regenerate(id)
  }

  function retryFailed() {
    for (const id of arena.failedIds) void stream.regenerate(id)
  }

  function clearAll() {
    for (const { id } of arena.panes) stream.clear(id)
  }

  return { audience, targets, busy, canSend, send, stopAll, regenerateAll, retryFailed, clearAll }
}

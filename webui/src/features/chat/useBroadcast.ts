/** Actions on several panes at once: send a prompt, stop, regenerate, clear, undo, edit. */
import { computed } from 'vue'
import { copied, lastAnswer } from '../../conversation/turns'
import { newId } from '../../lib/browser/newId'
import { useArena } from '../arena/arenaStore'
import { useWorkers } from '../workers/workersStore'
import { useChatStream } from './useChatStream'

export function useBroadcast() {
  const arena = useArena()
  const workers = useWorkers()
  const stream = useChatStream()

  const isMuted = (url: string) => workers.find(url)?.muted ?? false
  /** Ids of the panes that prompts to all go to. */
  const audience = computed(() =>
    arena.panes.filter(({ workerUrl, muted }) => !muted && !isMuted(workerUrl)).map(({ id }) => id),
  )
  /** Ids of the panes that the next prompt goes to. */
  const targets = computed(() => (arena.targetId ? [arena.targetId] : audience.value))
  const busy = computed(() => arena.busyIds.length > 0)
  const canSend = computed(
    () => targets.value.length > 0 && !targets.value.some((id) => arena.busyIds.includes(id)),
  )

  /** Returns false, and sends nothing, if a target is busy or the prompt is empty. */
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

  /** Removes the last turn of every pane that was sent the newest prompt. Returns that prompt. */
  function undoAll(): string {
    const ids = arena.panes.map(({ id }) => id).filter((id) => arena.stateNow(id).turns.length)
    const newest = Math.max(...ids.map((id) => lastAnswer(arena.stateNow(id))!.sentAt))
    const lastTurns = ids.map((id) => arena.stateNow(id).turns.at(-1)!)
    const prompt = lastTurns.find(({ answer }) => answer.sentAt === newest)?.prompt ?? ''
    ids.forEach((id, index) => {
      if (lastTurns[index]!.prompt === prompt) stream.change(id, { type: 'undo' })
    })
    return prompt
  }

  /** Replaces a prompt in every pane that has it at the same place. */
  function editAll(paneId: string, turnId: string, prompt: string) {
    const turns = arena.stateNow(paneId).turns
    const index = turns.findIndex(({ id }) => id === turnId)
    const old = turns[index]?.prompt
    for (const id of new Set([paneId, ...audience.value])) {
      const turn = arena.stateNow(id).turns[index]
      if (turn && turn.prompt === old) void stream.edit(id, turn.id, prompt)
    }
  }

  /** Copies the conversation of a pane, up to and including a turn, to all other panes. */
  function continueAll(paneId: string, turnId: string) {
    const turns = arena.stateNow(paneId).turns
    const end = turns.findIndex(({ id }) => id === turnId) + 1
    for (const { id } of arena.panes) {
      const isSource = id === paneId
      if (isSource && end === turns.length) continue
      const adopted = isSource ? turns.slice(0, end) : copied(turns.slice(0, end), newId)
      stream.change(id, { type: 'adopt', turns: adopted })
    }
  }

  return {
    audience,
    targets,
    busy,
    canSend,
    send,
    stopAll,
    regenerateAll,
    retryFailed,
    clearAll,
    undoAll,
    editAll,
    continueAll,
  }
}

/**
 * One pane's conversation with its worker: send, regenerate, stop.
 *
 * Each pane has its own AbortController; whether it is busy follows from its last answer. Tokens
 * change a plain copy and are shown by the shared frame loop; starts and ends are shown at once.
 */
import { generate } from '../../api/client'
import { ApiError } from '../../api/errors'
import { useArena } from '../arena/arenaStore'

import type { ConversationEvent } from '../../conversation/reduce'
import { useWorkers, workerName } from '../workers/workersStore'
import { renderScheduler } from '../../ui/renderScheduler'
import { useI18n } from '../../locales/useI18n'
import { useAnnouncer } from '../../ui/useAnnouncer'
import { usePaneName } from '../workers/usePaneName'
import { checkWorker } from '../workers/workerPolling'
import { toMessages } from '../../conversation/messages'
import type { Pane } from '../../conversation/panes'
import { isBusy, lastAnswer } from '../../conversation/turns'
import type { Failure } from '../../conversation/turns'
import { newId } from '../../lib/browser/newId'

const controllers = new Map<string, AbortController>()

export function useChatStream() {
  const arena = useArena()
  const workers = useWorkers()
  const { announce } = useAnnouncer()
  const { t } = useI18n()
  const paneName = usePaneName()

  const pane = (id: string) => arena.panes.find((entry) => entry.id === id)
  const busy = (id: string) => isBusy(lastAnswer(arena.state(id)))

  function show(id: string, event: ConversationEvent) {
    arena.apply(id, event)
    if (isFromPerson(event)) {
      renderScheduler.cancel(id)
      // Once the requests of all panes have left: to show one must not hold up the next.
      queueMicrotask(() => arena.commit(id))
    } else {
      // Ends take their turn, too: eight answers may end in the same moment.
      const urgent = event.type !== 'delta' && event.type !== 'replace'
      renderScheduler.request(id, () => arena.commit(id), urgent)
    }
  }

  function asked({ settings, system }: Pane) {
    return { params: { ...settings }, system: system.trim() || null, at: Date.now() }
  }

  async function send(id: string, prompt: string): Promise<void> {
    const entry = pane(id)
    if (!entry || busy(id)) return
    show(id, { type: 'send', turnId: newId(), prompt, ...asked(entry) })
    await answer(entry)
  }

  async function regenerate(id: string): Promise<void> {
    const entry = pane(id)
    if (!entry || busy(id) || !arena.stateNow(id).turns.length) return
    show(id, { type: 'resend', ...asked(entry) })
    await answer(entry)
  }

  /** Puts another prompt in the place of an earlier one; what came after it is taken away. */
  async function edit(id: string, turnId: string, prompt: string): Promise<void> {
    const entry = pane(id)
    if (!entry || busy(id)) return
    show(id, { type: 'edit', turnId, newId: newId(), prompt, ...asked(entry) })
    await answer(entry)
  }

  /** Changes what was said without asking the worker. */
  function change(id: string, event: Change) {
    if (!busy(id) || event.type === 'version') show(id, event)
  }

  /** Ends at once here; the worker learns it from the closed connection. */
  function stop(id: string) {
    const controller = controllers.get(id)
    if (!controller) return
    controller.abort()
    show(id, { type: 'stop', at: Date.now() })
    const entry = pane(id)
    if (entry) announce(t('live.stopped', { name: paneName(entry) }))
  }

  function clear(id: string) {
    stop(id)
    show(id, { type: 'clear' })
  }

  function close(id: string) {
    stop(id)
    renderScheduler.cancel(id)
    arena.removePane(id)
  }

  /** Streams the answer to the pane's last turn, whatever comes of it. */
  async function answer(entry: Pane): Promise<void> {
    const { id } = entry
    const controller = new AbortController()
    controllers.set(id, controller)
    const name = paneName(entry)
    announce(t('live.start', { name }))
    try {
      const worker = workers.find(entry.workerUrl)
      if (!worker) throw new ApiError({ message: t('error.noWorker'), code: 'no_worker' })
      entry.workerName = workerName(worker)
      const { params, system } = lastAnswer(arena.stateNow(id))!
      const body = { messages: toMessages(arena.stateNow(id).turns), params, stream: true }
      const target = workers.target(entry.workerUrl)
      const events = generate(target, system ? { ...body, system } : body, controller.signal)
      for await (const event of events) {
        // Already stopped, and perhaps asked again: what is left over belongs to nobody.
        if (controller.signal.aborted) return
        show(id, { ...event, at: Date.now() })
      }
    } catch (error) {
      if (controller.signal.aborted) return
      show(id, { type: 'fail', failure: toFailure(error), at: Date.now() })
      checkWorker(entry.workerUrl)
      // A mistake of ours: the pane says so, and the console says where.
      if (!(error instanceof ApiError)) throw error
    } finally {
      if (controllers.get(id) === controller) controllers.delete(id)
    }
    announceEnd(id, name)
  }

  function announceEnd(id: string, name: string) {
    const last = lastAnswer(arena.stateNow(id))
    if (last?.status === 'done') announce(t('live.done', { name }))
    if (last?.status === 'stopped') announce(t('live.stopped', { name }))
    if (last?.status === 'error') {
      announce(t('live.error', { name, message: last.error?.message ?? '' }))
    }
  }

  return { send, regenerate, edit, change, stop, clear, close, busy }
}

type Change = Extract<ConversationEvent, { type: 'version' | 'undo' | 'restore' | 'adopt' }>

/** What a person did is seen at once. */
function isFromPerson({ type }: ConversationEvent): boolean {
  return BY_PERSON.has(type)
}

const BY_PERSON = new Set<ConversationEvent['type']>([
  'send',
  'resend',
  'edit',
  'stop',
  'clear',
  'version',
  'undo',
  'restore',
  'adopt',
])

export function toFailure(error: unknown): Failure {
  if (!(error instanceof ApiError)) return { message: String(error), code: 'page_error' }
  const { message, type, param, code, status, retryAfter } = error
  return { message, type, param, code, status, retryAfter }
}

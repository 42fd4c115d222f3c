/**
 * Runs the conversation of a pane with its worker: send, regenerate, edit, stop.
 *
 * Each pane has its own AbortController. Whether a pane is busy is not stored but follows from its
 * last answer. Every event changes the latest conversation at once (`arena.apply`); when it is shown
 * (`arena.commit`) is decided in `show`.
 */
import { generate } from '../../api/client'
import { ApiError } from '../../api/errors'
import { toMessages } from '../../conversation/messages'
import type { Pane } from '../../conversation/panes'
import type { ConversationEvent } from '../../conversation/reduce'
import { isBusy, lastAnswer } from '../../conversation/turns'
import type { Failure } from '../../conversation/turns'
import { newId } from '../../lib/browser/newId'
import { useI18n } from '../../locales/useI18n'
import { renderScheduler } from '../../ui/renderScheduler'
import { useAnnouncer } from '../../ui/useAnnouncer'
import { useArena } from '../arena/arenaStore'
import { usePaneName } from '../workers/usePaneName'
import { checkWorker } from '../workers/workerPolling'
import { useWorkers, workerName } from '../workers/workersStore'

const controllers = new Map<string, AbortController>()

export function useChatStream() {
  const arena = useArena()
  const workers = useWorkers()
  const { announce } = useAnnouncer()
  const { t } = useI18n()
  const paneName = usePaneName()

  const pane = (id: string) => arena.panes.find((entry) => entry.id === id)
  const busy = (id: string) => isBusy(lastAnswer(arena.state(id)))

  /**
   * Applies an event and has it shown. Actions of a person are shown at once, in a microtask: when a
   * prompt goes to all panes, every request is sent before the first pane is rendered. Events of a
   * worker go through the render scheduler. Begin and end of an answer are urgent there and not
   * shown at once, because many answers may end in the same moment.
   */
  function show(id: string, event: ConversationEvent) {
    arena.apply(id, event)
    if (isFromPerson(event)) {
      renderScheduler.cancel(id)
      queueMicrotask(() => arena.commit(id))
    } else {
      const urgent = event.type !== 'delta' && event.type !== 'replace'
      renderScheduler.request(id, () => arena.commit(id), urgent)
    }
  }

  /** The settings, system prompt and time of a request that is made now. */
  function requestDetails({ settings, system }: Pane) {
    return { params: { ...settings }, system: system.trim() || null, at: Date.now() }
  }

  async function send(id: string, prompt: string): Promise<void> {
    const entry = pane(id)
    if (!entry || busy(id)) return
    show(id, { type: 'send', turnId: newId(), prompt, ...requestDetails(entry) })
    await answer(entry)
  }

  async function regenerate(id: string): Promise<void> {
    const entry = pane(id)
    if (!entry || busy(id) || !arena.stateNow(id).turns.length) return
    show(id, { type: 'resend', ...requestDetails(entry) })
    await answer(entry)
  }

  /** Replaces the prompt of a turn, removes the turns after it and asks again. */
  async function edit(id: string, turnId: string, prompt: string): Promise<void> {
    const entry = pane(id)
    if (!entry || busy(id)) return
    show(id, { type: 'edit', turnId, newId: newId(), prompt, ...requestDetails(entry) })
    await answer(entry)
  }

  /** Changes the conversation without a request. While an answer streams, only versions change. */
  function change(id: string, event: Change) {
    if (!busy(id) || event.type === 'version') show(id, event)
  }

  /** Stops at once on the page; the worker stops when it notices the closed connection. */
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

  /** Requests and streams the answer to the last turn. Errors become part of the answer. */
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
        // Stopped meanwhile: the remaining events must not reach an answer requested since.
        if (controller.signal.aborted) return
        show(id, { ...event, at: Date.now() })
      }
    } catch (error) {
      if (controller.signal.aborted) return
      show(id, { type: 'fail', failure: toFailure(error), at: Date.now() })
      checkWorker(entry.workerUrl)
      // Any other exception is an error of the page: shown in the pane, and thrown for the console.
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

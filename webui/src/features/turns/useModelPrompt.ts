/** Asks a worker for the exact prompt that the model was given for an answer. */
import { onBeforeUnmount, ref, shallowRef } from 'vue'
import { ApiError, isAbort } from '../../api/errors'
import { getPrompt } from '../../api/prompt'
import type { PromptInfo } from '../../api/wire'
import { messagesBehind } from '../../conversation/messages'
import type { Pane } from '../../conversation/panes'
import type { Failure } from '../../conversation/turns'
import { useI18n } from '../../locales/useI18n'
import { useArena } from '../arena/arenaStore'
import { toFailure } from '../chat/useChatStream'
import { useWorkers } from '../workers/workersStore'

/** Longer than for other short requests: a busy worker may have to count the tokens first. */
const TIMEOUT_MS = 30_000

export function useModelPrompt(pane: Pane, turnId: string) {
  const arena = useArena()
  const workers = useWorkers()
  const { t } = useI18n()
  const turns = arena.stateNow(pane.id).turns
  const index = turns.findIndex(({ id }) => id === turnId)
  const answer = turns[index]!.answer
  const info = shallowRef<PromptInfo | null>(null)
  const failure = ref<Failure | null>(null)
  const controller = new AbortController()
  onBeforeUnmount(() => controller.abort())

  async function ask(): Promise<void> {
    failure.value = null
    try {
      if (!workers.find(pane.workerUrl)) {
        throw new ApiError({ message: t('error.noWorker'), code: 'no_worker' })
      }
      const { params, system } = answer
      const body = { messages: messagesBehind(turns, index, answer), params }
      const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(TIMEOUT_MS)])
      const target = workers.target(pane.workerUrl)
      info.value = await getPrompt(target, system ? { ...body, system } : body, signal)
    } catch (error) {
      if (isAbort(error)) return
      failure.value = toFailure(error)
      if (!(error instanceof ApiError)) throw error
    }
  }
  void ask()

  return { answer, info, failure, ask }
}

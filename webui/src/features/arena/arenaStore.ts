/**
 * Holds the panes of the page: which worker each shows, its settings, and its conversation.
 *
 * Each conversation exists twice. `latest` is a plain map that every event changes at once; `shown`
 * is the reactive copy that components read. `commit` copies one to the other when the render
 * scheduler has time for the pane, so a token that arrives costs no rendering.
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'
import { MAX_PANES } from '../../conversation/panes'
import type { Layout, Pane, StoredPane } from '../../conversation/panes'
import { reduce } from '../../conversation/reduce'
import type { ConversationEvent } from '../../conversation/reduce'
import { emptyConversation, isBusy, lastAnswer } from '../../conversation/turns'
import type { Conversation } from '../../conversation/turns'
import { newId } from '../../lib/browser/newId'

export const useArena = defineStore('arena', () => {
  const panes = ref<Pane[]>([])
  const layout = ref<Layout>('columns')
  const syncScroll = ref(false)
  const maximised = ref<string | null>(null)
  /** Id of the pane that the composer sends to; null for all panes. */
  const targetId = ref<string | null>(null)
  /** Id of the pane that had the focus last; keyboard shortcuts act on it. */
  const currentId = ref<string | null>(null)
  const shown = shallowReactive(new Map<string, Conversation>())
  const latest = new Map<string, Conversation>()
  /** Increases with every change that has to be saved. */
  const revision = ref(0)

  const busyIds = computed(() =>
    panes.value.filter(({ id }) => isBusy(lastAnswer(shown.get(id)))).map(({ id }) => id),
  )
  const failedIds = computed(() =>
    panes.value
      .filter(({ id }) => lastAnswer(shown.get(id))?.status === 'error')
      .map(({ id }) => id),
  )
  const current = computed(
    () => panes.value.find(({ id }) => id === currentId.value) ?? panes.value[0] ?? null,
  )
  const hasTurns = computed(() => panes.value.some(({ id }) => shown.get(id)?.turns.length))

  /** Returns null if there are MAX_PANES already. */
  function addPane(
    part: Partial<Pane> & { workerUrl: string },
    at = panes.value.length,
  ): Pane | null {
    if (panes.value.length >= MAX_PANES) return null
    const pane = { id: newId(), workerName: '', settings: {}, system: '', ...part }
    panes.value.splice(at, 0, pane)
    put(pane.id, emptyConversation)
    return pane
  }

  function duplicate(id: string): Pane | null {
    const index = panes.value.findIndex((pane) => pane.id === id)
    const pane = panes.value[index]
    if (!pane) return null
    const { workerUrl, workerName, system } = pane
    const copy = { workerUrl, workerName, system, settings: { ...pane.settings } }
    return addPane(copy, index + 1)
  }

  function removePane(id: string) {
    panes.value = panes.value.filter((pane) => pane.id !== id)
    shown.delete(id)
    latest.delete(id)
    if (maximised.value === id) maximised.value = null
    if (targetId.value === id) targetId.value = null
    revision.value++
  }

  const indexOf = (id: string) => panes.value.findIndex((pane) => pane.id === id)

  /** Returns false if `to` is outside of the list or the pane is there already. */
  function movePane(id: string, to: number): boolean {
    const from = indexOf(id)
    if (from < 0 || from === to || to < 0 || to >= panes.value.length) return false
    const [pane] = panes.value.splice(from, 1)
    panes.value.splice(to, 0, pane!)
    revision.value++
    return true
  }

  /** Changes the latest conversation of a pane; `commit` shows it. */
  function apply(id: string, event: ConversationEvent): Conversation {
    const next = reduce(latest.get(id) ?? emptyConversation, event)
    if (panes.value.some((pane) => pane.id === id)) latest.set(id, next)
    return next
  }

  function commit(id: string) {
    const state = latest.get(id)
    if (!state || shown.get(id) === state) return
    shown.set(id, state)
    revision.value++
  }

  function put(id: string, state: Conversation) {
    latest.set(id, state)
    shown.set(id, state)
    revision.value++
  }

  function load(stored: StoredPane[]) {
    shown.clear()
    latest.clear()
    maximised.value = null
    targetId.value = null
    panes.value = stored.map(({ id, workerUrl, workerName, settings, system, muted, size }) => ({
      id,
      workerUrl,
      workerName,
      settings: { ...settings },
      system,
      muted: muted ?? false,
      size: size ?? 1,
    }))
    for (const { id, turns } of stored) put(id, { turns })
  }

  /** Copies of all panes with their latest conversations, for saving. */
  const snapshot = (): StoredPane[] =>
    panes.value.map((pane) => ({
      ...pane,
      settings: { ...pane.settings },
      turns: (latest.get(pane.id) ?? emptyConversation).turns,
    }))

  /** The conversation that is shown. */
  const state = (id: string): Conversation => shown.get(id) ?? emptyConversation
  /** The conversation with all events, shown or not. */
  const stateNow = (id: string): Conversation => latest.get(id) ?? emptyConversation

  return {
    panes,
    layout,
    syncScroll,
    maximised,
    targetId,
    currentId,
    current,
    revision,
    busyIds,
    failedIds,
    hasTurns,
    addPane,
    duplicate,
    removePane,
    indexOf,
    movePane,
    apply,
    commit,
    load,
    snapshot,
    state,
    stateNow,
  }
})

/**
 * The panes: which worker each shows, its settings, and its conversation.
 *
 * A conversation has two copies. `latest` is a plain map that every event changes at once; `shown`
 * is what Vue sees and is set from it a few times a second. So a token costs no rendering.
 * Knows no network.
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'
import type { ParamValues } from '../../api/wire'
import { emptyConversation, isBusy, lastAnswer, reduce } from '../../conversation/reduce'
import type { ConversationEvent, Conversation } from '../../conversation/reduce'

export const MAX_PANES = 12

export interface Pane {
  id: string
  workerUrl: string
  /** Kept so that an old session can still say who answered. */
  workerName: string
  /** Only what differs from the worker's defaults. */
  settings: ParamValues
  system: string
  /** Prompts to all leave it out. */
  muted?: boolean
  /** Its share of the width, or in rows of the height; 1 unless a person changed it. */
  size?: number
}

export interface StoredPane extends Pane {
  turns: Conversation['turns']
}

export type Layout = 'columns' | 'rows'

export const useArena = defineStore('arena', () => {
  const panes = ref<Pane[]>([])
  const layout = ref<Layout>('columns')
  const syncScroll = ref(false)
  const maximised = ref<string | null>(null)
  /** Pane id that the composer sends to; null: all. */
  const targetId = ref<string | null>(null)
  /** The pane that had the focus last: what shortcuts are about. */
  const currentId = ref<string | null>(null)
  const shown = shallowReactive(new Map<string, Conversation>())
  const latest = new Map<string, Conversation>()
  /** Goes up with everything that is worth saving. */
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

  /** False: it cannot go there, or is there. */
  function movePane(id: string, to: number): boolean {
    const from = indexOf(id)
    if (from < 0 || from === to || to < 0 || to >= panes.value.length) return false
    const [pane] = panes.value.splice(from, 1)
    panes.value.splice(to, 0, pane!)
    revision.value++
    return true
  }

  /** Changes the conversation at once; `commit` shows it. */
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

  const snapshot = (): StoredPane[] =>
    panes.value.map((pane) => ({
      ...pane,
      settings: { ...pane.settings },
      turns: (latest.get(pane.id) ?? emptyConversation).turns,
    }))

  const state = (id: string): Conversation => shown.get(id) ?? emptyConversation
  const stateNow = (id: string): Conversation => latest.get(id) ?? emptyConversation
  const touch = () => void revision.value++

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
    touch,
  }
})

export function newId(): string {
  // crypto.randomUUID exists only on https and loopback; a page on a LAN address has neither.
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The form that registers a worker or edits one. */
import { reactive, ref } from 'vue'
import { BadUrl, normalizeUrl } from '../../api/url'
import { useArena } from '../arena/arenaStore'
import { checkWorker } from './workerPolling'
import { useWorkers, workerName } from './workersStore'
import type { Worker } from './workersStore'

export type FormProblem = BadUrl['reason'] | 'duplicate' | null

export function useWorkerForm() {
  const workers = useWorkers()
  const arena = useArena()
  const form = reactive({ url: '', name: '', apiKey: '' })
  const problem = ref<FormProblem>(null)

  function fill(worker: Worker | null) {
    problem.value = null
    form.url = worker?.url ?? ''
    form.name = worker?.givenName ?? ''
    form.apiKey = worker ? (workers.keys[worker.url] ?? '') : ''
  }

  /** Saves the form. Returns false if a field is wrong; `problem` is the reason. */
  function submit(worker: Worker | null): boolean {
    const url = readUrl()
    if (url === null) return false
    if (url !== worker?.url && workers.find(url)) {
      problem.value = 'duplicate'
      return false
    }
    if (worker) edit(worker, url)
    else register(url)
    checkWorker(url)
    return true
  }

  function readUrl(): string | null {
    problem.value = null
    try {
      return normalizeUrl(form.url, location.hostname || undefined)
    } catch (error) {
      if (!(error instanceof BadUrl)) throw error
      problem.value = error.reason
      return null
    }
  }

  /** A new worker gets a pane at once. */
  function register(url: string) {
    const worker = workers.add({ url, name: form.name.trim(), apiKey: form.apiKey })
    const open = arena.panes.some(({ workerUrl }) => workerUrl === url)
    if (!open) arena.addPane({ workerUrl: url, workerName: workerName(worker) })
  }

  /** Panes of the worker follow it to its new address. */
  function edit(worker: Worker, url: string) {
    const old = worker.url
    workers.setKey(old, '')
    workers.change(old, { url, givenName: form.name.trim() })
    workers.setKey(url, form.apiKey)
    for (const pane of arena.panes) if (pane.workerUrl === old) pane.workerUrl = url
  }

  return { form, problem, fill, submit }
}

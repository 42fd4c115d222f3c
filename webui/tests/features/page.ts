/** Workers, panes and conversations for tests of components. */
import { toParams } from '../../src/api/validation'
import type { WorkerInfo } from '../../src/api/wire'
import type { Pane } from '../../src/conversation/panes'
import type { ConversationEvent } from '../../src/conversation/reduce'
import { useArena } from '../../src/features/arena/arenaStore'
import { useWorkers } from '../../src/features/workers/workersStore'
import type { Worker } from '../../src/features/workers/workersStore'

/** A registered worker that is ready. */
export function addWorker(name: string, part: Partial<Worker> = {}): Worker {
  const workers = useWorkers()
  const worker = workers.add({ url: `http://${name.toLowerCase()}:1`, name })
  worker.health = { state: 'ready', progress: null, error: null, restarts: 0 }
  return Object.assign(worker, part)
}

/** A registered worker with a pane. */
export function addPane(name: string, part: Partial<Pane> = {}): Pane {
  const { url } = useWorkers().find(`http://${name.toLowerCase()}:1`) ?? addWorker(name)
  useArena().addPane({ workerUrl: url, workerName: name, ...part })
  return useArena().panes.at(-1)!
}

/** Applies events to a pane's conversation and shows it. */
export function happen(pane: Pane, ...events: ConversationEvent[]) {
  const arena = useArena()
  for (const event of events) arena.apply(pane.id, event)
  arena.commit(pane.id)
}

const request = { params: {}, system: null, at: 1000 }
export const send = (prompt: string): ConversationEvent => ({
  type: 'send',
  turnId: `turn-${prompt}`,
  prompt,
  ...request,
})
export const again: ConversationEvent = { type: 'resend', ...request, at: 5000 }
export const delta = (text: string, reasoning = ''): ConversationEvent => ({
  type: 'delta',
  data: { text, reasoning },
  at: 1200,
})
export const done: ConversationEvent = {
  type: 'done',
  data: {
    finish_reason: 'stop',
    usage: { prompt_tokens: 4, completion_tokens: 12, cached_tokens: 0 },
    timings: { queue_ms: 1, ttft_ms: 50, total_ms: 1250, tokens_per_second: 9.6 },
  },
  at: 2000,
}
export const fail = (code: string, message = 'it broke'): ConversationEvent => ({
  type: 'fail',
  failure: { message, code },
  at: 2000,
})

/** A prompt and its complete answer. */
export const answered = (prompt: string, text: string) => [send(prompt), delta(text), done]

export function info(part: Partial<WorkerInfo> = {}): WorkerInfo {
  return {
    name: 'fox',
    model: 'zoo/fox-7b',
    native_class: 'FoxForCausalLM',
    dtype: 'bfloat16',
    quantization: null,
    base_model: null,
    adapter: null,
    context_length: 2048,
    device_map: { '': 'cpu' },
    memory: null,
    queue: { running: 1, waiting: 2 },
    capabilities: { system: true },
    ...part,
  } as unknown as WorkerInfo
}

/** A settings schema with a slider, a nullable number, a switch, a choice and a list. */
export const params = toParams({
  properties: {
    temperature: {
      title: 'Temperature',
      description: 'How random the answer is.',
      type: 'number',
      default: 1,
      minimum: 0,
      maximum: 2,
      'x-control': 'slider',
      'x-step': 0.1,
    },
    seed: { title: 'Seed', anyOf: [{ type: 'integer' }, { type: 'null' }], default: null },
    greedy: { title: 'Greedy', type: 'boolean', default: false },
    mode: { title: 'Mode', enum: ['plain', 'strict'], default: 'plain' },
    stop: { title: 'Stop', type: 'array', default: [], 'x-control': 'text' },
  },
})

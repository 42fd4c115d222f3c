/**
 * The shapes that cross the wire between the page and a worker or the hub.
 *
 * Knows names and types only. Fields that a worker cannot know yet, for instance while its model
 * loads, are null.
 */

export type WorkerState = 'loading' | 'ready' | 'draining' | 'failed'

export interface Progress {
  stage: string
  /** 0..1 */
  fraction: number | null
}

export interface WorkerInfo {
  name: string
  family: string | null
  model: string | null
  native_class: string | null
  device_map: Record<string, unknown> | null
  dtype: string | null
  quantization: string | null
  context_length: number | null
  revision: string | null
  version: string | null
  state: WorkerState
  progress: Progress | null
  error: string | null
  queue: { running: number; waiting: number; max_running: number; max_queue: number } | null
  capabilities: Partial<Record<Capability, boolean>> | null
  limits: Record<string, number> | null
}

export type Capability = 'stream' | 'beam' | 'logprobs' | 'tools' | 'system' | 'token_prompts'

export type Control = 'slider' | 'number' | 'select' | 'switch' | 'text' | 'hidden'

/** One property of the JSON schema that pydantic writes for a bot's settings. */
export interface ParamSchema {
  title?: string
  description?: string
  type?: string
  anyOf?: ParamSchema[]
  default?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  enum?: unknown[]
  const?: unknown
  'x-control'?: Control
  'x-step'?: number
}

export interface ParamsSchema {
  title?: string
  type?: string
  properties?: Record<string, ParamSchema>
}

export type ParamValues = Record<string, unknown>

export interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface GenerateBody {
  messages: Message[]
  params: ParamValues
  stream: boolean
  system?: string | null
}

export interface Usage {
  prompt_tokens?: number | null
  completion_tokens?: number | null
  cached_tokens?: number | null
}

/** Measured by the worker, in milliseconds. */
export interface Timings {
  queue_ms?: number | null
  ttft_ms?: number | null
  total_ms?: number | null
  tokens_per_second?: number | null
}

export interface ErrorBody {
  message: string
  type?: string | null
  param?: string | null
  code?: string | null
}

export interface QueuedData {
  id?: string
  position: number
}

export interface StartData {
  id: string
  model?: string | null
  prompt_tokens?: number | null
  queue_ms?: number | null
  dropped_turns?: number | null
}

export interface TextData {
  text?: string
  reasoning?: string
}

export interface DoneData {
  finish_reason: 'stop' | 'length' | 'cancelled' | (string & {})
  usage?: Usage | null
  timings?: Timings | null
}

/** One event of `POST /generate`. */
export type StreamEvent =
  | { type: 'queued'; data: QueuedData }
  | { type: 'start'; data: StartData }
  | { type: 'delta'; data: TextData }
  | { type: 'replace'; data: TextData }
  | { type: 'done'; data: DoneData }
  | { type: 'error'; data: ErrorBody }

export type HubState = WorkerState | 'starting' | 'down'

export interface HubWorker {
  id: string
  name: string
  url: string
  source: 'zoo' | 'registered'
  health: {
    state: HubState
    progress: Progress | null
    error: string | null
    restarts: number
  }
}

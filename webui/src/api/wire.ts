/**
 * Types of the data that crosses the wire.
 *
 * A worker's types are generated from its OpenAPI document (types.ts). Written here is what that
 * document does not contain: the JSON schema of the settings, and the hub's list.
 */
import type { components } from './types'

type Schemas = components['schemas']

export type WorkerInfo = Schemas['InfoResponse']
export type WorkerState = WorkerInfo['state']
export type Progress = Schemas['ProgressBody']
export type Message = Schemas['ChatMessage']
/** `params` and `system` may be left out. */
export type GenerateBody = Schemas['GenerateRequest']
export type PromptBody = Schemas['PromptRequest']
export type PromptInfo = Schemas['PromptResponse']
export type Usage = Schemas['UsageBody']
export type Timings = Schemas['TimingsBody']
/** Only `message` is certain: a proxy in between may send less than a worker does. */
export type ErrorBody = { message: string } & {
  [K in 'type' | 'param' | 'code']?: string | null
}

type Events = Schemas['StreamEvents']
type PlainEvent<K extends Exclude<keyof Events, 'error'>> = { type: K; data: Events[K] }

/** One event of `POST /generate`. */
export type StreamEvent =
  | PlainEvent<'queued'>
  | PlainEvent<'start'>
  // A worker leaves out fields that are null.
  | { type: 'delta'; data: Partial<Events['delta']> }
  | PlainEvent<'replace'>
  | PlainEvent<'done'>
  | { type: 'error'; data: ErrorBody }

export type Control = 'slider' | 'number' | 'select' | 'switch' | 'text' | 'hidden'

/** A property of the JSON schema that pydantic generates for a bot's settings. */
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

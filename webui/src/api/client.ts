/**
 * Requests to workers and to the hub by fetch: paths, headers, time limits and errors. Holds no state.
 *
 * All functions raise ApiError (errors.ts).
 */
import { ApiError, BadStream, Unreachable, isAbort, toErrorBody } from './errors'
import { toHubWorkers, toInfo, toParams } from './validation'
import type { GenerateBody, HubWorker, ParamsSchema, StreamEvent, WorkerInfo } from './wire'

/** A worker's normalised address and its API key, if it requires one. */
export interface Target {
  url: string
  apiKey?: string | null
}

/** Time limit of short requests. A worker that is busy answers them within milliseconds. */
const TIMEOUT_MS = 4000

export function getInfo(target: Target): Promise<WorkerInfo> {
  return getJson(`${target.url}/info`, target.apiKey).then(toInfo)
}

export function getParams(target: Target): Promise<ParamsSchema> {
  return getJson(`${target.url}/params`, target.apiKey).then(toParams)
}

/** The events of one answer. Aborting the signal also stops the request in the worker. */
export async function* generate(
  target: Target,
  body: GenerateBody,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, void, void> {
  const reading = loadReader()
  // Awaited below, in parallel with the request. Without a handler, a failure to load would be
  // reported as unhandled if the request fails first.
  reading.catch(() => undefined)
  const response = await call(`${target.url}/generate`, {
    method: 'POST',
    headers: {
      ...authorization(target.apiKey),
      'Content-Type': 'application/json',
      Accept: 'text/event-stream',
    },
    body: JSON.stringify(body),
    signal,
  })
  const kind = response.headers.get('content-type') ?? ''
  if (!kind.startsWith('text/event-stream') || !response.body) {
    throw new BadStream(`expected an event stream, got ${kind || 'nothing'}`)
  }
  const { readEvents } = await reading
  yield* readEvents(response.body)
}

/** Loads the stream reader, which is not needed before the first prompt. */
export function loadReader() {
  return import('./sse')
}

/**
 * The workers of the hub; null if the page's origin is not a hub, where a static file server gives
 * 404 or its index page. Raises Unreachable.
 */
export async function listHubWorkers(base: string): Promise<HubWorker[] | null> {
  let response: Response
  try {
    response = await call(new URL('api/workers', base).href, withTimeout())
  } catch (error) {
    if (error instanceof ApiError && error.status !== null && error.status < 500) return null
    throw error
  }
  if (!(response.headers.get('content-type') ?? '').includes('json')) return null
  return toHubWorkers(await response.json())
}

export async function removeHubWorker(base: string, id: string): Promise<void> {
  const url = new URL(`api/workers/${encodeURIComponent(id)}`, base).href
  await call(url, { ...withTimeout(), method: 'DELETE' })
}

async function getJson(url: string, apiKey?: string | null): Promise<unknown> {
  return readJson(await call(url, { ...withTimeout(), headers: authorization(apiKey) }), url)
}

export async function readJson(response: Response, url: string): Promise<unknown> {
  try {
    return (await response.json()) as unknown
  } catch (error) {
    if (isAbort(error)) throw error
    if (!(error instanceof SyntaxError)) throw new Unreachable(String(error))
    throw new ApiError({ message: `${url} answered, but not in JSON`, code: 'not_a_worker' })
  }
}

function withTimeout(): RequestInit {
  return { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' }
}

export function authorization(apiKey?: string | null): Record<string, string> {
  return apiKey ? { Authorization: `Bearer ${apiKey}` } : {}
}

export async function call(url: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { credentials: 'same-origin', ...init })
  } catch (error) {
    if (isAbort(error)) throw error
    // TypeError: refused, or blocked by the browser. TimeoutError: no answer within the time limit.
    throw new Unreachable(error instanceof Error ? error.message : String(error))
  }
  if (response.ok) return response
  throw await toApiError(response)
}

async function toApiError(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  let body: unknown = null
  try {
    body = JSON.parse(text)
  } catch {
    // Not an error of a worker but, for instance, the page of a proxy: only its status is reported.
  }
  const inner = body && typeof body === 'object' && 'error' in body ? body.error : null
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN)
  return new ApiError(
    inner
      ? toErrorBody(inner)
      : { message: `${response.status} ${response.statusText}`.trim(), code: null },
    response.status,
    Number.isFinite(retryAfter) ? retryAfter : null,
  )
}

/**
 * Errors of requests.
 *
 * ApiError            a response with a status outside 2xx, with the wire's error body
 * ├─ Unreachable      no response: not listening, blocked by the browser, or too late
 * ├─ ConnectionLost   the response broke off
 * └─ BadStream        the stream ended without `done` or `error`, or was malformed
 */
import { escapeInvisible, escapeInvisibleDeep } from '../lib/text/invisible'
import type { ErrorBody } from './wire'

export class ApiError extends Error {
  readonly type: string | null
  readonly param: string | null
  readonly code: string
  constructor(
    body: ErrorBody,
    readonly status: number | null = null,
    /** Seconds until the request may be repeated. */
    readonly retryAfter: number | null = null,
  ) {
    super(body.message)
    this.type = body.type ?? null
    this.param = body.param ?? null
    this.code = body.code ?? (status === null ? 'unknown' : `http_${status}`)
  }
}

export class Unreachable extends ApiError {
  constructor(message: string) {
    super({ message, code: 'unreachable' })
  }
}

export class ConnectionLost extends ApiError {
  constructor(message: string) {
    super({ message, code: 'connection_lost' })
  }
}

export class BadStream extends ApiError {
  constructor(message: string, code: 'stream_incomplete' | 'bad_stream' = 'bad_stream') {
    super({ message, code })
  }
}

export function isAbort(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
  )
}

export function toErrorBody(body: unknown): ErrorBody {
  if (typeof body === 'object' && body !== null && 'message' in body) {
    const { message, ...rest } = escapeInvisibleDeep(body)
    return { ...rest, message: String(message) }
  }
  return { message: escapeInvisible(typeof body === 'string' ? body : JSON.stringify(body)) }
}

/**
 * Reads the event stream of a worker: bytes in, typed events out.
 *
 * The parser keeps an incomplete line and the decoder an incomplete character, so a chunk may end at
 * any byte. Text deltas that arrive in one chunk are joined into one event, because an event costs
 * its readers the same however short its text is, and a fast model sends many in a chunk.
 */
import { createParser } from 'eventsource-parser'
import { escapeInvisibleDeep } from '../lib/text/invisible'
import { BadStream, ConnectionLost, isAbort, toErrorBody } from './errors'
import type { StreamEvent } from './wire'

const KNOWN = new Set(['queued', 'start', 'delta', 'replace', 'done', 'error'])

/**
 * Yields the events up to and including `done` or `error`.
 *
 * Unknown events and comments are skipped, so that a newer worker may send more. Raises BadStream if
 * the stream ends without `done` or `error` or is malformed, ConnectionLost if it breaks off.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<StreamEvent, void, void> {
  let ready: StreamEvent[] = []
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (event && KNOWN.has(event)) append(ready, toEvent(event, data))
    },
  })
  const decoder = new TextDecoder('utf-8')
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await read(reader)
      parser.feed(done ? decoder.decode() : decoder.decode(value, { stream: true }))
      const events = ready
      ready = []
      for (const event of events) {
        yield event
        if (event.type === 'done' || event.type === 'error') return
      }
      if (done) throw new BadStream('the stream ended without done or error', 'stream_incomplete')
    }
  } finally {
    // Also reached when the consumer stops early. Cancelling closes the connection, by which the
    // worker notices; on a stream that has ended it does nothing, and its errors do not matter.
    await reader.cancel().catch(() => undefined)
  }
}

/** Adds an event; a delta after a delta is added to that one's texts. */
function append(events: StreamEvent[], event: StreamEvent) {
  const last = events.at(-1)
  if (last?.type === 'delta' && event.type === 'delta') {
    const { text, reasoning } = event.data
    if (text) last.data.text = (last.data.text ?? '') + text
    if (reasoning) last.data.reasoning = (last.data.reasoning ?? '') + reasoning
  } else {
    events.push(event)
  }
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read()
  } catch (error) {
    if (isAbort(error)) throw error
    throw new ConnectionLost(error instanceof Error ? error.message : String(error))
  }
}

function toEvent(type: string, text: string): StreamEvent {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    throw new BadStream(`event ${type} carries no JSON`)
  }
  if (typeof data !== 'object' || data === null) throw new BadStream(`event ${type} is no object`)
  if (type === 'error') {
    const body = 'error' in data ? (data as { error: unknown }).error : data
    return { type, data: toErrorBody(body) }
  }
  // The answer's text stays unchanged. All other texts appear among the page's own words.
  const isText = type === 'delta' || type === 'replace'
  return { type, data: isText ? textsOf(data) : escapeInvisibleDeep(data) } as StreamEvent
}

/** The fields that are strings; `text` is always there. */
function textsOf(data: object): object {
  const texts = Object.entries(data).filter(([, text]) => typeof text === 'string')
  return { text: '', ...Object.fromEntries(texts) }
}

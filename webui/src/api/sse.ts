/**
 * Reads the native event stream of a worker.
 *
 * Knows bytes and events. Does not know fetch, panes or what an event means. The parser keeps its
 * remainder and the decoder its half characters, so chunks may be cut at any byte.
 */
import { createParser } from 'eventsource-parser'
import { escapeInvisibleDeep } from '../lib/text/invisible'
import { BadStream, ConnectionLost, isAbort, toErrorBody } from './errors'
import type { StreamEvent } from './wire'

const KNOWN = new Set(['queued', 'start', 'delta', 'replace', 'done', 'error'])

/**
 * Yields the events up to and including `done` or `error`; words that came together are one delta.
 * Unknown event names and comments are skipped. Raises BadStream when the stream ends without
 * either, ConnectionLost when it breaks.
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
    // Also reached when the consumer leaves early; a closed stream makes this a no-op.
    await reader.cancel().catch(() => undefined)
  }
}

/** Words go to those before them: an event costs its readers as much, however short its text. */
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
  // The answer's own words stay as they are; everything else stands among ours.
  const spoken = type === 'delta' || type === 'replace'
  return { type, data: spoken ? toSpoken(data) : escapeInvisibleDeep(data) } as StreamEvent
}

function toSpoken(data: object): object {
  const texts = Object.entries(data).filter(([, text]) => typeof text === 'string')
  return { text: '', ...Object.fromEntries(texts) }
}

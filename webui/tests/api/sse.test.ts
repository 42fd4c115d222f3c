import { describe, expect, it } from 'vitest'
import { BadStream, ConnectionLost } from '../../src/api/errors'
import { readEvents } from '../../src/api/sse'
import type { StreamEvent } from '../../src/api/wire'

const START = 'event: start\ndata: {"id":"req_1","model":"m","prompt_tokens":3,"queue_ms":0}\n\n'
const DONE = 'event: done\ndata: {"finish_reason":"stop","usage":null,"timings":null}\n\n'
const delta = (text: string) => `event: delta\nid: 1\ndata: ${JSON.stringify({ text })}\n\n`

function streamOf(chunks: Uint8Array[], broken?: Error): ReadableStream<Uint8Array> {
  const rest = [...chunks]
  return new ReadableStream({
    pull(controller) {
      const next = rest.shift()
      if (next) controller.enqueue(next)
      else if (broken) controller.error(broken)
      else controller.close()
    },
  })
}

const bytes = (text: string) => new TextEncoder().encode(text)

async function collect(body: ReadableStream<Uint8Array>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  for await (const event of readEvents(body)) events.push(event)
  return events
}

const textOf = (events: StreamEvent[]) =>
  events.map((event) => (event.type === 'delta' ? event.data.text : '')).join('')

/** What comes of words is the same, however many events brought them. */
const withoutWords = (events: StreamEvent[]) => events.filter(({ type }) => type !== 'delta')

describe('readEvents', () => {
  it('yields the same events wherever the bytes are cut, also within characters', async () => {
    const whole = bytes(START + delta('héllo 世界 🦊👩‍👩‍👧') + delta('!') + DONE)
    const expected = await collect(streamOf([whole]))
    expect(textOf(expected)).toBe('héllo 世界 🦊👩‍👩‍👧!')
    for (let cut = 1; cut < whole.length; cut++) {
      const second = Math.min(whole.length, cut + 3)
      const parts = [whole.slice(0, cut), whole.slice(cut, second), whole.slice(second)]
      const events = await collect(streamOf(parts))
      expect(textOf(events)).toBe(textOf(expected))
      expect(withoutWords(events)).toEqual(withoutWords(expected))
    }
  })

  it('reads one byte at a time', async () => {
    const whole = bytes(START + delta('世界') + DONE)
    const events = await collect(streamOf([...whole].map((byte) => Uint8Array.of(byte))))
    expect(events.map(({ type }) => type)).toEqual(['start', 'delta', 'done'])
    expect(textOf(events)).toBe('世界')
  })

  it('joins deltas of one chunk into one event', async () => {
    const thought = 'event: delta\ndata: {"reasoning":"hm"}\n\n'
    const chunks = [START + delta('a') + thought + delta('b') + thought, delta('c') + DONE]
    const events = await collect(streamOf(chunks.map(bytes)))
    expect(events.map(({ type }) => type)).toEqual(['start', 'delta', 'delta', 'done'])
    expect(events[1]).toMatchObject({ data: { text: 'ab', reasoning: 'hmhm' } })
    expect(events[2]).toMatchObject({ data: { text: 'c' } })
  })

  it('keeps the order of deltas and `replace`', async () => {
    const replace = 'event: replace\ndata: {"text":"A"}\n\n'
    const events = await collect(
      streamOf([bytes(START + delta('a') + replace + delta('b') + DONE)]),
    )
    expect(events.map(({ type }) => type)).toEqual(['start', 'delta', 'replace', 'delta', 'done'])
  })

  it('reads CRLF line ends', async () => {
    const events = await collect(streamOf([bytes((START + DONE).replaceAll('\n', '\r\n'))]))
    expect(events.map(({ type }) => type)).toEqual(['start', 'done'])
  })

  it('skips comments, unknown events and events without a name', async () => {
    const noise = ': ping\n\nevent: weather\ndata: {"sun":1}\n\ndata: {"text":"x"}\n\n'
    const events = await collect(streamOf([bytes(noise + START + noise + DONE)]))
    expect(events.map(({ type }) => type)).toEqual(['start', 'done'])
  })

  it('reads the error from its body', async () => {
    const error = 'event: error\ndata: {"error":{"message":"no memory","code":"out_of_memory"}}\n\n'
    const events = await collect(streamOf([bytes(START + error)]))
    expect(events.at(-1)).toEqual({
      type: 'error',
      data: { message: 'no memory', code: 'out_of_memory' },
    })
  })

  it('reads nothing after the end', async () => {
    const events = await collect(streamOf([bytes(START + DONE + delta('late'))]))
    expect(events.map(({ type }) => type)).toEqual(['start', 'done'])
  })

  it.each([
    ['after text', START + delta('half')],
    ['in the middle of an event', START + 'event: done\ndata: {"fin'],
    ['at once', ''],
  ])('calls a stream without an end a failure: %s', async (_when, text) => {
    const seen: StreamEvent[] = []
    const read = async () => {
      for await (const event of readEvents(streamOf([bytes(text)]))) seen.push(event)
    }
    await expect(read()).rejects.toMatchObject({ code: 'stream_incomplete' })
    expect(textOf(seen)).toBe(text.includes('half') ? 'half' : '')
  })

  it('raises the reason of a broken connection, after the events before it', async () => {
    const body = streamOf([bytes(START + delta('half'))], new TypeError('network error'))
    const seen: StreamEvent[] = []
    const read = async () => {
      for await (const event of readEvents(body)) seen.push(event)
    }
    await expect(read()).rejects.toThrow(ConnectionLost)
    expect(textOf(seen)).toBe('half')
  })

  it('raises an abort as an abort', async () => {
    const body = streamOf([bytes(START)], new DOMException('stopped', 'AbortError'))
    await expect(collect(body)).rejects.toMatchObject({ name: 'AbortError' })
  })

  it.each(['event: delta\ndata: {"text":\n\n', 'event: delta\ndata: 7\n\n'])(
    'refuses data that is no object',
    async (text) => {
      await expect(collect(streamOf([bytes(text)]))).rejects.toThrow(BadStream)
    },
  )

  it('closes the body when its reader leaves early', async () => {
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes(START + delta('a'))),
      cancel: () => void (cancelled = true),
    })
    for await (const event of readEvents(body)) if (event.type === 'start') break
    expect(cancelled).toBe(true)
  })
})

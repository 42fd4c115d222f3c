import { describe, expect, it, vi } from 'vitest'
import { generate, getInfo, listHubWorkers } from '../../src/api/client'
import { ApiError, Unreachable } from '../../src/api/errors'

const BODY = { messages: [], params: {}, stream: true }
const target = { url: 'http://w:1', apiKey: 'sesame' }

function answer(body: string, init: ResponseInit = {}) {
  return vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body, init))
}

async function drain(stream: AsyncGenerator<unknown>) {
  const all = []
  for await (const event of stream) all.push(event)
  return all
}

describe('client', () => {
  it('sends the key and asks for a stream', async () => {
    const fetch = answer('event: error\ndata: {"error":{"message":"x"}}\n\n', {
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
    })
    const events = await drain(generate(target, BODY, new AbortController().signal))
    expect(events).toHaveLength(1)
    const [url, init] = fetch.mock.calls[0]!
    expect(url).toBe('http://w:1/generate')
    expect(new Headers(init!.headers).get('authorization')).toBe('Bearer sesame')
  })

  it('reads the error body, the status and the time to wait', async () => {
    answer('{"error":{"message":"full","type":"t","param":null,"code":"queue_full"}}', {
      status: 429,
      headers: { 'retry-after': '7' },
    })
    const failure = drain(generate(target, BODY, new AbortController().signal))
    await expect(failure).rejects.toMatchObject({
      message: 'full',
      code: 'queue_full',
      status: 429,
      retryAfter: 7,
    })
  })

  it('reports the status of a response that is not from a worker', async () => {
    answer('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway' })
    await expect(getInfo(target)).rejects.toMatchObject({
      message: '502 Bad Gateway',
      code: 'http_502',
    })
  })

  it('refuses a response that is no stream', async () => {
    answer('{"text":"hi"}', { headers: { 'content-type': 'application/json' } })
    const failure = drain(generate(target, BODY, new AbortController().signal))
    await expect(failure).rejects.toMatchObject({ code: 'bad_stream' })
  })

  it('distinguishes no response from one that is not of a worker', async () => {
    vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('Failed to fetch'))
    await expect(getInfo(target)).rejects.toThrow(Unreachable)
    answer('<html>')
    await expect(getInfo(target)).rejects.toMatchObject({ code: 'not_a_worker' })
  })

  it('recognises a hub by its JSON list, and a file server by anything else', async () => {
    const json = { headers: { 'content-type': 'application/json' } }
    answer('{"workers":[]}', json)
    expect(await listHubWorkers('http://page/')).toEqual([])
    answer('{"other":1}', json)
    expect(await listHubWorkers('http://page/')).toBeNull()
    answer('<html>', { headers: { 'content-type': 'text/html' } })
    expect(await listHubWorkers('http://page/')).toBeNull()
    answer('no', { status: 404 })
    expect(await listHubWorkers('http://page/')).toBeNull()
    answer('no', { status: 503 })
    await expect(listHubWorkers('http://page/')).rejects.toThrow(ApiError)
  })

  it('asks for the list beside the page, also below a folder', async () => {
    const fetch = answer('{}')
    await listHubWorkers('http://page/zoo/index.html').catch(() => undefined)
    expect(fetch.mock.calls[0]![0]).toBe('http://page/zoo/api/workers')
  })
})

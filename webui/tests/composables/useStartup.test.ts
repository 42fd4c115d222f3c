import { describe, expect, it } from 'vitest'
import { readRequest } from '../../src/composables/useStartup'

describe('readRequest', () => {
  it('takes workers and a prompt from the address', () => {
    const query =
      '?worker=127.0.0.1:8081&worker=https%3A%2F%2Fm.example%2Fa&prompt=%E4%BD%A0%E5%A5%BD'
    expect(readRequest(query, 'h')).toEqual({
      workers: ['http://127.0.0.1:8081', 'https://m.example/a'],
      prompt: '你好',
    })
  })

  it('leaves out what is no address', () => {
    expect(readRequest('?worker=javascript://x&worker=', 'h').workers).toEqual([])
    expect(readRequest('', 'h')).toEqual({ workers: [], prompt: '' })
  })
})

import { describe, expect, it } from 'vitest'
import { toHubWorkers, toInfo, toParams } from '../../src/api/validation'

const INFO = {
  state: 'ready',
  name: 'Fox',
  model: 'fox-7b',
  family: 'llama',
  version: '1',
  dtype: 'float32',
  adapter: 'merged',
  queue: { running: 1 },
  progress: { stage: 'reading', fraction: 0.5 },
}

describe('toInfo', () => {
  it('keeps valid fields', () => {
    expect(toInfo(INFO)).toMatchObject(INFO)
  })

  it.each([null, [], 'ready', 7, {}, { state: 'asleep' }])(
    'refuses a response that is not from a worker: %j',
    (json) => {
      expect(() => toInfo(json)).toThrow('this is no ChatZoo worker')
    },
  )

  it('replaces values of a wrong type by null, or leaves them out', () => {
    const wrong = {
      state: 'ready',
      name: {},
      dtype: [],
      queue: 'long',
      adapter: 'glued',
      progress: 1,
    }
    expect(toInfo(wrong)).toMatchObject({
      name: '',
      model: '',
      dtype: null,
      queue: null,
      memory: null,
      adapter: null,
      progress: null,
    })
    const { progress } = toInfo({ ...INFO, progress: { stage: 3, fraction: 'half' } })
    expect(progress).toMatchObject({ stage: '3', fraction: null })
  })

  it('escapes characters that would reorder a card', () => {
    expect(toInfo({ ...INFO, name: 'a\u202eb' }).name).toBe('a⟨U+202E⟩b')
  })
})

describe('toParams', () => {
  it('keeps names and values, which are sent back, and makes titles legible', () => {
    const name = 'mode\u202e'
    const values = ['a\u202e', 'b']
    const { title, properties } = toParams({
      title: 'T\u202e',
      properties: { [name]: { type: 'string', enum: values, title: 'x\u200b' }, wrong: 3 },
    })
    expect(title).toBe('T⟨U+202E⟩')
    expect(Object.keys(properties!)).toEqual([name])
    expect(properties![name]).toMatchObject({ enum: values, title: 'x⟨U+200B⟩', description: '' })
  })

  it('uses the name of a setting without a title, and drops a wrong enum', () => {
    const { properties } = toParams({
      properties: { seed: { enum: 'all', anyOf: [1, { type: 'null' }] } },
    })
    expect(properties!.seed).toEqual({ title: 'seed', description: '', anyOf: [{ type: 'null' }] })
  })

  it.each([null, 'x', []])('is empty for %j', (json) => {
    expect(toParams(json)).toEqual({})
  })
})

describe('toHubWorkers', () => {
  it('fills in all fields of each worker that has an address', () => {
    const found = toHubWorkers({
      workers: [
        { id: 1, url: '127.0.0.1:8081', name: 'Fox', health: { state: 'ready', restarts: 2 } },
        { id: 2, url: 'http://127.0.0.1:8082', source: 'registered', health: { state: 'odd' } },
        { id: 3, url: 'ftp://127.0.0.1' },
        'no worker',
      ],
    })
    expect(found).toMatchObject([
      {
        id: '1',
        url: 'http://127.0.0.1:8081',
        source: 'zoo',
        health: { state: 'ready', restarts: 2 },
      },
      { id: '2', name: '', source: 'registered', health: { state: 'down', restarts: 0 } },
    ])
    expect(found).toHaveLength(2)
  })

  it.each([null, [], { workers: 'none' }])('is null where it is no hub: %j', (json) => {
    expect(toHubWorkers(json)).toBeNull()
  })
})

import { describe, expect, it } from 'vitest'
import { MAX_LINK, linkOf, readLink } from '../../../src/features/comparison/comparisonLink'
import type { Comparison } from '../../../src/features/comparison/comparisonLink'

const comparison: Comparison = {
  panes: [
    { workerUrl: 'http://127.0.0.1:8081', settings: { temperature: 0, stop: ['a&b'] }, system: '' },
    { workerUrl: 'https://m.example/a', settings: {}, system: '请简短回答。🦊' },
    { workerUrl: 'http://127.0.0.1:8081', settings: {}, system: '' },
  ],
  prompt: 'a=b&c#d 你好\n?',
  layout: 'rows',
}
const read = (link: string) => readLink(new URL(link).search, 'h')

describe('a link', () => {
  it('describes the comparison completely', () => {
    expect(read(linkOf('http://page/x', comparison)!)).toEqual(comparison)
    const plain: Comparison = { ...comparison, prompt: '', layout: 'columns' }
    expect(read(linkOf('http://page/x', plain)!)).toEqual(plain)
  })

  it('holds nothing else of a pane', () => {
    const pane = Object.assign(comparison.panes[2]!, { apiKey: 'sesame', workerName: 'Owl' })
    expect(linkOf('http://page/', { ...comparison, panes: [pane] })).not.toMatch(/sesame|Owl/)
  })

  it('is not made if it would be too long', () => {
    const prompt = (length: number) => linkOf('', { ...comparison, prompt: 'x'.repeat(length) })
    expect(prompt(MAX_LINK)).toBeNull()
    expect(prompt(MAX_LINK / 2)).not.toBeNull()
  })
})

describe('an address', () => {
  const only = (search: string) => readLink(search, 'h').panes

  it('can be written by hand', () => {
    const pane = '{"settings":{"temperature":0.5},"system":"Be brief"}'
    expect(readLink(`?worker=8081&pane=${pane}&worker=:8082&prompt=%E4%BD%A0`, 'h')).toEqual({
      panes: [
        { workerUrl: 'http://h:8081', settings: { temperature: 0.5 }, system: 'Be brief' },
        { workerUrl: 'http://h:8082', settings: {}, system: '' },
      ],
      prompt: '你',
      layout: 'columns',
    })
  })

  it('leaves out an address that is not one of a worker, with its pane', () => {
    expect(only('?worker=javascript://x&pane={"system":"a"}&worker=&worker=u:p@h')).toEqual([])
    expect(only('?pane={"system":"a"}&worker=h:1')[0]!.system).toBe('')
    expect(readLink('', 'h')).toEqual({ panes: [], prompt: '', layout: 'columns' })
  })

  it.each(['{', '[]', '!!', '{"settings":{"x":{}}}', '{"system":3}', '_w', '{"settings":[1]}'])(
    'leaves out malformed details of a pane: %s',
    (pane) => {
      expect(only(`?worker=h:1&pane=${pane}`)).toEqual([
        { workerUrl: 'http://h:1', settings: {}, system: '' },
      ])
    },
  )

  it('opens no more panes than there can be', () => {
    expect(only(`?${'worker=h:1&'.repeat(50)}`)).toHaveLength(12)
  })
})

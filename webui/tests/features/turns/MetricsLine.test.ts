// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { reduce } from '../../../src/conversation/reduce'
import type { ConversationEvent } from '../../../src/conversation/reduce'
import { emptyConversation, lastAnswer } from '../../../src/conversation/turns'
import MetricsLine from '../../../src/features/turns/MetricsLine.vue'
import { answered, delta, send } from '../page'

function lineAfter(...events: ConversationEvent[]) {
  const answer = lastAnswer(events.reduce(reduce, emptyConversation))!
  return mount(MetricsLine, { props: { answer } })
}

it("shows the worker's figures with units", () => {
  const line = lineAfter(...answered('q', 'a'))
  const shown = line
    .findAll('[data-metric]')
    .map((metric) => [metric.attributes('data-metric'), metric.get('dd').text()])
  expect(shown).toEqual([
    ['ttft', '50 ms'],
    ['tps', '9.6'],
    ['tokens', '12'],
    ['total', '1.25 s'],
    ['queue', '1 ms'],
    ['finish', 'complete'],
  ])
  expect(line.attributes('title')).toBe('Measured by the worker')
})

it('shows only times of the page for a stopped answer, and marks them', () => {
  const line = lineAfter(send('q'), delta('a'), { type: 'stop', at: 3000 })
  expect(line.findAll('[data-metric]').map((metric) => metric.get('dd').text())).toEqual([
    '200 ms',
    '2 s',
    'stopped',
  ])
  expect(line.attributes('title')).toBe('Measured by this page, the network included')
})

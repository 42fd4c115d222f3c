// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { nextTick } from 'vue'
import type { ConversationEvent } from '../../../src/conversation/reduce'
import SummaryBar from '../../../src/features/summary/SummaryBar.vue'
import { addPane, answered, delta, fail, happen, send } from '../page'

/** The end of an answer with other figures. */
const doneIn = (ttft_ms: number, tokens_per_second: number): ConversationEvent => ({
  type: 'done',
  data: {
    finish_reason: 'length',
    usage: { prompt_tokens: 1, completion_tokens: 5, cached_tokens: 0 },
    timings: { queue_ms: 0, ttft_ms, total_ms: 900, tokens_per_second },
  },
  at: 3000,
})

const texts = (wrapper: ReturnType<typeof bar>) =>
  wrapper
    .findAll('[data-testid=summary-row]')
    .map((row) => row.findAll('th, td').map((cell) => cell.text().replace(/\s+/g, ' ')))

function bar() {
  return mount(SummaryBar, { attachTo: document.body })
}

it('appears for two answers to one prompt', async () => {
  const fox = addPane('Fox')
  const owl = addPane('Owl')
  happen(fox, ...answered('q', 'a'))
  const wrapper = bar()
  expect(wrapper.find('table').exists()).toBe(false)
  happen(owl, send('q'))
  await nextTick()
  expect(texts(wrapper)).toEqual([
    ['Fox', '50 ms', '9.6', '12', '1.25 s', 'complete'],
    ['Owl', '–', '–', '–', '–', 'answering …'],
  ])
})

it('marks the best once all have ended, and shows which failed', async () => {
  const [fox, owl, bear] = [addPane('Fox'), addPane('Owl'), addPane('Bear')]
  const wrapper = bar()
  happen(fox, ...answered('q', 'a'))
  happen(owl, send('q'), delta('b'), doneIn(90, 20))
  happen(bear, send('q'))
  await nextTick()
  expect(wrapper.findAll('.best')).toHaveLength(0)
  happen(bear, fail('queue_full'))
  await nextTick()
  const best = wrapper.findAll('tr').map((row) => {
    return row.findAll('.best').map((cell) => cell.attributes('data-metric'))
  })
  expect(best).toEqual([[], ['ttft'], ['tps', 'total'], []])
  expect(texts(wrapper)[1]!.at(-1)).toBe('length limit')
  expect(texts(wrapper)[2]!.at(-1)).toBe('failed')
})

it('is folded by its button, which the browser remembers', async () => {
  for (const pane of [addPane('Fox'), addPane('Owl')]) happen(pane, ...answered('q', 'a'))
  const wrapper = bar()
  const toggle = wrapper.get('[data-testid=summary-toggle]')
  expect(toggle.attributes('aria-expanded')).toBe('true')
  await toggle.trigger('click')
  expect(toggle.attributes('aria-expanded')).toBe('false')
  expect(wrapper.find('table').exists()).toBe(false)
  wrapper.unmount()
  expect(bar().find('table').exists()).toBe(false)
})

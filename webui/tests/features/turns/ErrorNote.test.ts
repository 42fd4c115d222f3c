// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import type { Failure } from '../../../src/conversation/turns'
import ErrorNote from '../../../src/features/turns/ErrorNote.vue'

const note = (failure: Failure, canRetry = false) =>
  mount(ErrorNote, { props: { failure, canRetry } })

it('explains a known error, and keeps the message and the code', () => {
  const text = note({ message: '8 requests wait', code: 'queue_full', retryAfter: 7 }).text()
  expect(text).toContain("The worker's queue is full.")
  expect(text).toContain('8 requests wait')
  expect(text).toContain('queue_full')
  expect(text).toContain('Try again in 7 s.')
})

it('has a general title for an unknown error', () => {
  const text = note({ message: 'odd', code: 'something_new' }).text()
  expect(text).toContain('This answer failed')
  expect(text).toContain('something_new')
})

it('explains a refused key, whatever the code is', () => {
  expect(note({ message: 'no', code: 'x', status: 401 }).text()).toContain('valid API key')
})

it('tries again where that is possible', async () => {
  expect(note({ message: 'no' }).find('button').exists()).toBe(false)
  const wrapper = note({ message: 'no' }, true)
  await wrapper.get('[data-testid=retry]').trigger('click')
  expect(wrapper.emitted('retry')).toHaveLength(1)
})

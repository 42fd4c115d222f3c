// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import ProgressBar from '../../src/ui/ProgressBar.vue'

it('shows stage and percentage', () => {
  const progress = { stage: 'weights', fraction: 0.426 }
  const bar = mount(ProgressBar, { props: { progress, label: 'Loading Fox' } })
  expect(bar.text()).toContain('weights')
  expect(bar.text()).toContain('43 %')
  expect(bar.get('[role=progressbar]').attributes()).toMatchObject({
    'aria-label': 'Loading Fox',
    'aria-valuenow': '43',
  })
  expect(bar.get<HTMLElement>('.bar').element.style.width).toBe('43%')
})

it('shows no percentage without a fraction', () => {
  for (const progress of [null, { stage: 'start', fraction: null }]) {
    const bar = mount(ProgressBar, { props: { progress, label: 'Loading' } })
    expect(bar.get('[role=progressbar]').attributes('aria-valuenow')).toBeUndefined()
    expect(bar.text()).not.toContain('%')
    expect(bar.find('.unknown').exists()).toBe(true)
  }
})

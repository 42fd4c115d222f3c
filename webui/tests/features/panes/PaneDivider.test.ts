// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import PaneDivider from '../../../src/features/panes/PaneDivider.vue'

const divider = (sizes: [number, number]) =>
  mount(PaneDivider, {
    props: {
      vertical: true,
      sizes,
      before: 'Fox',
      after: 'Owl',
      extent: () => 800,
      smallestPx: 160,
    },
  })

describe('a divider', () => {
  it('enlarges one pane by as much as it shrinks the other', async () => {
    const one = divider([1, 1])
    await one.trigger('keydown', { key: 'ArrowRight' })
    await one.trigger('keydown', { key: 'ArrowUp' })
    expect(one.emitted('resize')).toEqual([[[1.1, 0.9]], [[0.9, 1.1]]])
    expect(one.attributes('aria-valuenow')).toBe('50')
  })

  it('leaves both large enough', async () => {
    const one = divider([0.4, 1.6])
    await one.trigger('keydown', { key: 'ArrowLeft' })
    expect(one.emitted('resize')).toEqual([[[0.4, 1.6]]])
  })

  it('makes them equal, whatever they have together', async () => {
    const one = divider([0.5, 2])
    await one.trigger('dblclick')
    await one.trigger('keydown', { key: 'Home' })
    expect(one.emitted('resize')).toEqual([[[1.25, 1.25]], [[1.25, 1.25]]])
  })

  it('leaves shortcuts alone', async () => {
    const one = divider([1, 1])
    await one.trigger('keydown', { key: 'ArrowRight', altKey: true, shiftKey: true })
    expect(one.emitted('resize')).toBeUndefined()
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'
import IconButton from '../../src/ui/IconButton.vue'

it('has its label for screen readers and as a tooltip, and hides the icon from them', () => {
  const button = mount(IconButton, { props: { icon: 'plus', label: 'Add' } })
  expect(button.element.tagName).toBe('BUTTON')
  expect(button.attributes()).toMatchObject({ type: 'button', title: 'Add', 'aria-label': 'Add' })
  expect(button.get('svg').attributes('aria-hidden')).toBe('true')
})

it('passes attributes and listeners on, another title included', async () => {
  const onClick = vi.fn()
  const button = mount(IconButton, {
    props: { icon: 'plus', label: 'Open a pane: Fox' },
    attrs: { title: 'Open a pane', class: 'wide', 'aria-pressed': true, onClick },
  })
  await button.trigger('click')
  expect(onClick).toHaveBeenCalledOnce()
  expect(button.classes()).toEqual(['icon-btn', 'wide'])
  expect(button.attributes()).toMatchObject({ title: 'Open a pane', 'aria-pressed': 'true' })
})

it('shows the character of its slot, and can be focused', () => {
  const button = mount(IconButton, {
    props: { label: 'Swap' },
    slots: { default: '⇄' },
    attachTo: document.body,
  })
  expect(button.text()).toBe('⇄')
  expect(button.find('svg').exists()).toBe(false)
  ;(button.vm as unknown as { focus(): void }).focus()
  expect(document.activeElement).toBe(button.element)
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import ModalDialog from '../../src/ui/ModalDialog.vue'

const dialog = () => document.querySelector('dialog')!

function open() {
  return mount(ModalDialog, {
    props: { open: true, title: 'Shortcuts' },
    attrs: { class: 'wide', 'data-testid': 'shown' },
    slots: { default: '<p>Alt Shift N</p>', head: '<button>Close</button>' },
  })
}

it('opens as a modal dialog that is named by its title', () => {
  open()
  expect(dialog().open).toBe(true)
  expect(dialog().showModal).toHaveBeenCalledOnce()
  const title = document.getElementById(dialog().getAttribute('aria-labelledby')!)
  expect(title!.textContent).toBe('Shortcuts')
  const content = dialog().querySelector('[data-testid=shown]')!
  expect(content.classList.contains('wide')).toBe(true)
  expect(content.textContent).toContain('Alt Shift N')
})

it('closes by a press outside, not by one inside', () => {
  const wrapper = open()
  dialog()
    .querySelector('p')!
    .dispatchEvent(new Event('pointerdown', { bubbles: true }))
  expect(wrapper.emitted('update:open')).toBeUndefined()
  dialog().dispatchEvent(new Event('pointerdown', { bubbles: true }))
  expect(wrapper.emitted('update:open')).toEqual([[false]])
})

it('is closed after Escape, which the browser reports by an event', () => {
  const wrapper = open()
  dialog().dispatchEvent(new Event('close'))
  expect(wrapper.emitted('update:open')).toEqual([[false]])
})

it('keeps nothing of its content while it is closed', async () => {
  const wrapper = open()
  await wrapper.setProps({ open: false })
  expect(dialog().open).toBe(false)
  expect(dialog().textContent).toBe('')
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { clear } from 'idb-keyval'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { db } from '../../../src/features/sessions/sessionDatabase'
import DrawerButton from '../../../src/features/shell/DrawerButton.vue'
import 'fake-indexeddb/auto'

beforeEach(() => clear(db()))

const dialog = () => document.querySelector('dialog')
const press = (selector: string) => dialog()!.querySelector<HTMLElement>(selector)!.click()

async function openDrawer() {
  const button = mount(DrawerButton, { attachTo: document.body }).get('[data-testid=menu]')
  expect(dialog()).toBeNull()
  expect(button.attributes('aria-expanded')).toBe('false')
  await button.trigger('click')
  await vi.waitFor(() => expect(dialog()?.open).toBe(true))
  expect(button.attributes('aria-expanded')).toBe('true')
  return button
}

describe('the drawer', () => {
  it('opens with the sidebar in it, and closes by its button', async () => {
    const button = await openDrawer()
    expect(dialog()!.querySelector('.sidebar')).not.toBeNull()
    press('[aria-label="Close the menu"]')
    await vi.waitFor(() => expect(dialog()!.open).toBe(false))
    expect(button.attributes('aria-expanded')).toBe('false')
  })

  it('closes after an action that leads back to the panes', async () => {
    await openDrawer()
    press('[data-testid=new-session]')
    await vi.waitFor(() => expect(dialog()!.open).toBe(false))
  })
})

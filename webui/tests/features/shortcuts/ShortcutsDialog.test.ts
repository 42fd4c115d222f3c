// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { usePreferences } from '../../../src/features/preferences/preferencesStore'
import { SHORTCUTS } from '../../../src/features/shortcuts/shortcutKeys'
import ShortcutsDialog from '../../../src/features/shortcuts/ShortcutsDialog.vue'
import en from '../../../src/locales/en.json'

const row = (id: string) => document.querySelector(`[data-shortcut=${id}]`)!
const keys = (id: string) => [...row(id).querySelectorAll('kbd')].map((key) => key.textContent)

it('lists every shortcut with its keys', () => {
  mount(ShortcutsDialog, { props: { open: true } })
  for (const { id } of SHORTCUTS) {
    expect(row(id).querySelector('dt')!.textContent).toBe(en[`shortcut.${id}`])
  }
  expect(keys('newSession')).toEqual(['Alt', 'Shift', 'N'])
  expect(keys('help')).toEqual(['?'])
  expect(keys('line')).toEqual(['Shift', 'Enter'])
})

it('turns shortcuts off and on', () => {
  mount(ShortcutsDialog, { props: { open: true } })
  const box = document.querySelector<HTMLInputElement>('[data-testid=shortcuts-on]')!
  expect(box.checked).toBe(true)
  box.click()
  expect(usePreferences().shortcuts).toBe(false)
})

it('closes by its button', () => {
  const wrapper = mount(ShortcutsDialog, { props: { open: true } })
  document.querySelector<HTMLElement>('[aria-label=Close]')!.click()
  expect(wrapper.emitted('update:open')).toEqual([[false]])
})

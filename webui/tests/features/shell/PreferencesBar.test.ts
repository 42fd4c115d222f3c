// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { nextTick } from 'vue'
import { usePreferences } from '../../../src/features/preferences/preferencesStore'
import PreferencesBar from '../../../src/features/shell/PreferencesBar.vue'
import { useShortcutHelp } from '../../../src/features/shortcuts/shortcutHelp'
import { readLocal } from '../../../src/lib/browser/storage'

it('changes the theme, and the browser remembers it', async () => {
  const bar = mount(PreferencesBar)
  const theme = (name: string) => bar.get(`[data-testid=theme-${name}]`)
  expect(theme('system').attributes('aria-pressed')).toBe('true')
  expect(theme('dark').attributes('aria-label')).toBe('Dark')
  await theme('dark').trigger('click')
  expect(theme('dark').attributes('aria-pressed')).toBe('true')
  expect(theme('system').attributes('aria-pressed')).toBe('false')
  await nextTick()
  expect(readLocal('theme')).toBe('dark')
})

it('changes the language of all texts', async () => {
  const bar = mount(PreferencesBar)
  await bar.get('[data-testid=language]').setValue('zh-CN')
  expect(usePreferences().language).toBe('zh-CN')
  expect(bar.get('[data-testid=theme-dark]').attributes('aria-label')).toBe('深色')
  await bar.get('[data-testid=language]').setValue('en')
  expect(bar.get('[data-testid=theme-dark]').attributes('aria-label')).toBe('Dark')
})

it('opens the list of shortcuts', async () => {
  useShortcutHelp().value = false
  await mount(PreferencesBar).get('[data-testid=shortcuts-open]').trigger('click')
  expect(useShortcutHelp().value).toBe(true)
  useShortcutHelp().value = false
})

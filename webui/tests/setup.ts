/** Loads both languages, and gives every test an empty document, storage and Pinia. */
import { disableAutoUnmount, enableAutoUnmount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, vi } from 'vitest'
import { loadLanguage } from '../src/locales/useI18n'

await Promise.all([loadLanguage('en'), loadLanguage('zh-CN')])

beforeEach(() => {
  setActivePinia(createPinia())
  if (typeof document === 'undefined') return
  document.body.replaceChildren()
  localStorage.clear()
  sessionStorage.clear()
  // jsdom has the dialog element without its methods.
  HTMLDialogElement.prototype.showModal = vi.fn(function (this: HTMLDialogElement) {
    this.open = true
  })
  HTMLDialogElement.prototype.close = vi.fn(function (this: HTMLDialogElement) {
    this.open = false
    this.dispatchEvent(new Event('close'))
  })
})
// Without isolation this file runs once for each test file, and the hook has to be registered again.
disableAutoUnmount()
enableAutoUnmount(afterEach)
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { clear } from 'idb-keyval'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Ref } from 'vue'
import { usePreferences } from '../src/features/preferences/preferencesStore'
import { db } from '../src/features/sessions/sessionDatabase'
import { addPane, answered, happen } from './features/page'
import 'fake-indexeddb/auto'

let App: typeof import('../src/App.vue').default
let help: Ref<boolean>

beforeAll(async () => {
  // Modules are shared with other test files, some of which replace what the page imports.
  vi.resetModules()
  // Also what the page loads later, so that no test waits for a file.
  const [page, { useShortcutHelp }, { loadLanguage }] = await Promise.all([
    import('../src/App.vue'),
    import('../src/features/shortcuts/shortcutHelp'),
    import('../src/locales/useI18n'),
    import('../src/features/shell/deferredParts'),
    import('../src/lib/markdown/view'),
  ])
  await loadLanguage('en')
  App = page.default
  help = useShortcutHelp()
}, 30_000)
beforeEach(async () => {
  // No hub: the page comes from a static file server.
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('', { status: 404 })))
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  )
  await clear(db())
})
afterAll(() => void vi.resetModules())

/** The page on a wide or a narrow screen, once it has decided what to show. */
async function openPage(isWide = true) {
  vi.stubGlobal('matchMedia', () => ({
    matches: isWide,
    addEventListener: () => {},
    removeEventListener: () => {},
  }))
  const wrapper = mount(App, { attachTo: document.body })
  // The last step of its start.
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('prompt'))
  const prompt = wrapper.get<HTMLTextAreaElement>('#prompt')
  return { wrapper, prompt }
}

const HELP = { key: '?', shiftKey: true, bubbles: true }
const pressHelp = () => document.body.dispatchEvent(new KeyboardEvent('keydown', HELP))

describe('the page', () => {
  it('begins with the focus in the prompt, and explains what to do without panes', async () => {
    const { wrapper } = await openPage()
    expect(wrapper.get('a.skip').attributes('href')).toBe('#prompt')
    await vi.waitFor(() => expect(wrapper.find('[data-testid=empty]').exists()).toBe(true))
  })

  it('hides the sidebar by its button, which gets the focus if the sidebar had it', async () => {
    const { wrapper } = await openPage()
    await vi.waitFor(() =>
      expect(wrapper.find('nav [data-testid=new-session]').exists()).toBe(true),
    )
    wrapper.get<HTMLElement>('nav [data-testid=new-session]').element.focus()
    const button = wrapper.get('[data-testid=sidebar]')
    expect(button.attributes('aria-expanded')).toBe('true')
    await button.trigger('click')
    expect(document.activeElement).toBe(button.element)
    expect(wrapper.find('nav').exists()).toBe(false)
    expect(button.attributes('aria-expanded')).toBe('false')
    expect(usePreferences().sidebar).toBe(false)
  })

  it('has a drawer instead of the sidebar on a narrow screen', async () => {
    const { wrapper } = await openPage(false)
    expect(wrapper.find('nav').exists()).toBe(false)
    expect(wrapper.find('[data-testid=sidebar]').exists()).toBe(false)
    expect(wrapper.find('[data-testid=menu]').exists()).toBe(true)
  })

  it('fills an undone prompt into the composer, but not over another one', async () => {
    const { wrapper, prompt } = await openPage()
    happen(addPane('Fox'), ...answered('one', 'A'), ...answered('two', 'B'))
    await vi.waitFor(() => expect(wrapper.find('[data-testid=undo-all]').exists()).toBe(true))
    await wrapper.get('[data-testid=undo-all]').trigger('click')
    await vi.waitFor(() => expect(prompt.element.value).toBe('two'))
    expect(document.activeElement).toBe(prompt.element)
    await prompt.setValue('three')
    await wrapper.get('[data-testid=undo-all]').trigger('click')
    expect(prompt.element.value).toBe('three')
  })

  it('opens the list of shortcuts by a key, until it is unmounted', async () => {
    const { wrapper } = await openPage()
    pressHelp()
    await vi.waitFor(() => expect(document.querySelector('dialog')?.open).toBe(true))
    help.value = false
    wrapper.unmount()
    pressHelp()
    expect(help.value).toBe(false)
  })
})

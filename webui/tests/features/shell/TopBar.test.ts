// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { useArena } from '../../../src/features/arena/arenaStore'
import { useSession } from '../../../src/features/sessions/sessionStore'
import TopBar from '../../../src/features/shell/TopBar.vue'
import { addPane, addWorker, answered, fail, happen, send } from '../page'

// What is loaded after the page has appeared: here only what the bar calls.
const { copyConversations } = vi.hoisted(() => ({ copyConversations: vi.fn() }))
vi.mock('../../../src/features/shell/deferred', () => ({
  CopyLinkButton: { template: '<span />' },
  loadParts: () => Promise.resolve({ copyConversations }),
}))

beforeEach(() => {
  // A worker that never answers, until it is stopped.
  vi.spyOn(globalThis, 'fetch').mockImplementation(
    (_url, init) =>
      new Promise((_resolve, reject) =>
        init!.signal!.addEventListener('abort', () =>
          reject(new DOMException('stopped', 'AbortError')),
        ),
      ),
  )
})

const bar = () => mount(TopBar, { props: { draft: '' }, attachTo: document.body })
const button = (wrapper: ReturnType<typeof bar>, name: string) =>
  wrapper.get<HTMLButtonElement>(`[data-testid=${name}]`)

describe('the bar above the panes', () => {
  it('shows the title of the session, and no tools without panes', async () => {
    const wrapper = bar()
    expect(wrapper.get('h1').text()).toBe('New session')
    expect(wrapper.find('[role=toolbar]').exists()).toBe(false)
    happen(addPane('Fox'), ...answered('What is a fox?', 'Red.'))
    void useSession().save()
    await nextTick()
    expect(wrapper.get('h1').text()).toBe('What is a fox?')
    expect(wrapper.get('[role=toolbar]').attributes('aria-label')).toBe('Panes')
  })

  it('disables its actions while there is no conversation', () => {
    addPane('Fox')
    const wrapper = bar()
    for (const name of ['regenerate-all', 'undo-all', 'clear-all', 'copy-all']) {
      expect(button(wrapper, name).element.disabled, name).toBe(true)
    }
  })

  it('removes the last turn in all panes, and emits its prompt', async () => {
    const panes = [addPane('Fox'), addPane('Owl')]
    for (const pane of panes) happen(pane, ...answered('one', 'A'), ...answered('two', 'B'))
    const wrapper = bar()
    await button(wrapper, 'undo-all').trigger('click')
    await nextTick()
    expect(wrapper.emitted('undone')).toEqual([['two']])
    for (const { id } of panes) expect(useArena().state(id).turns).toHaveLength(1)
  })

  it('clears all panes', async () => {
    const pane = addPane('Fox')
    happen(pane, ...answered('one', 'A'))
    await button(bar(), 'clear-all').trigger('click')
    await nextTick()
    expect(useArena().hasTurns).toBe(false)
  })

  it('regenerates all answers, but not while one is streaming', async () => {
    for (const name of ['Fox', 'Owl']) happen(addPane(name), ...answered('one', 'A'))
    const wrapper = bar()
    await button(wrapper, 'regenerate-all').trigger('click')
    await nextTick()
    expect(useArena().busyIds).toHaveLength(2)
    expect(button(wrapper, 'regenerate-all').element.disabled).toBe(true)
    expect(button(wrapper, 'undo-all').element.disabled).toBe(true)
  })

  it('retries only failed answers', async () => {
    happen(addPane('Fox'), ...answered('one', 'A'))
    const owl = addPane('Owl')
    happen(owl, send('one'), fail('queue_full'))
    const wrapper = bar()
    const retry = button(wrapper, 'retry-failed')
    expect(retry.attributes('aria-label')).toBe('Retry failed (1)')
    await retry.trigger('click')
    await nextTick()
    expect(useArena().busyIds).toEqual([owl.id])
    expect(wrapper.find('[data-testid=retry-failed]').exists()).toBe(false)
  })

  it('copies all conversations under the title of the session', async () => {
    happen(addPane('Fox'), ...answered('one', 'A'))
    copyConversations.mockResolvedValue(true)
    await button(bar(), 'copy-all').trigger('click')
    await vi.waitFor(() => expect(copyConversations).toHaveBeenCalledExactlyOnceWith('New session'))
  })

  it('arranges panes in columns or rows, and scrolls them together', async () => {
    addPane('Fox')
    const wrapper = bar()
    const press = (label: string) => wrapper.get(`[aria-label="${label}"]`)
    expect(press('Columns').attributes('aria-pressed')).toBe('true')
    await press('Rows').trigger('click')
    expect(press('Rows').attributes('aria-pressed')).toBe('true')
    expect(press('Columns').attributes('aria-pressed')).toBe('false')
    expect(useArena().layout).toBe('rows')
    await press('Scroll together').trigger('click')
    expect(useArena().syncScroll).toBe(true)
  })

  it('opens a pane of a worker that is chosen from its menu', async () => {
    addPane('Fox')
    addWorker('Owl')
    await button(bar(), 'add-pane').trigger('click')
    await nextTick()
    const items = [...document.querySelectorAll<HTMLElement>('[role=menuitem]')]
    expect(items.map((item) => item.textContent!.trim())).toEqual(['Fox', 'Owl'])
    items[1]!.click()
    expect(useArena().panes.map(({ workerName }) => workerName)).toEqual(['Fox', 'Owl'])
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { clear } from 'idb-keyval'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { db, saveSession } from '../../../src/features/sessions/sessionDatabase'
import SessionList from '../../../src/features/sessions/SessionList.vue'
import { useSession } from '../../../src/features/sessions/sessionStore'
import { pane, session } from '../../conversation/sample'
import { answered } from '../page'
import 'fake-indexeddb/auto'

beforeEach(() => clear(db()))

/** The list, with a stored session for each prompt, the last one newest. */
async function list(...prompts: string[]) {
  for (const [index, prompt] of prompts.entries()) {
    const panes = [pane('fox', ...answered(prompt, `re: ${prompt}`))]
    await saveSession(session(`s${index}`, panes, { updatedAt: index + 1 }))
  }
  await useSession().refresh()
  return mount(SessionList, { attachTo: document.body })
}

type Wrapper = Awaited<ReturnType<typeof list>>
const rows = (wrapper: Wrapper) => wrapper.findAll('[data-testid=session]')
const names = (wrapper: Wrapper) => rows(wrapper).map((row) => row.get('.name').text())

async function choose(wrapper: Wrapper, row: number, label: string) {
  await rows(wrapper)[row]!.get('[aria-haspopup=menu]').trigger('click')
  await nextTick()
  const items = [...document.querySelectorAll<HTMLElement>('[role=menuitem]')]
  items.find((item) => item.textContent!.trim() === label)!.click()
}

describe('the list of sessions', () => {
  it('explains an empty list, and has no search for a few sessions', async () => {
    const empty = await list()
    expect(empty.get('[role=status]').text()).toContain('Your comparisons appear here.')
    expect((await list('one')).find('[data-testid=search]').exists()).toBe(false)
  })

  it('names sessions by their first prompt, the newest first', async () => {
    const wrapper = await list('Foxes', 'Owls')
    expect(names(wrapper)).toEqual(['Owls', 'Foxes'])
  })

  it('opens one, which is then marked', async () => {
    const wrapper = await list('Foxes', 'Owls')
    await rows(wrapper)[1]!.get('button').trigger('click')
    await vi.waitFor(() => expect(wrapper.emitted('opened')).toHaveLength(1))
    expect(useSession().id).toBe('s0')
    expect(rows(wrapper)[1]!.get('button').attributes('aria-current')).toBe('true')
  })

  it('pins one to the top, and renames it', async () => {
    const wrapper = await list('Foxes', 'Owls')
    await choose(wrapper, 1, 'Pin')
    await vi.waitFor(() => expect(names(wrapper)).toEqual(['Foxes', 'Owls']))
    expect(rows(wrapper)[0]!.text()).toContain('pinned')
    await choose(wrapper, 0, 'Rename')
    await nextTick()
    await nextTick()
    const field = wrapper.get('[data-testid=rename]')
    await field.setValue('Red ones')
    await field.trigger('keydown', { key: 'Enter' })
    await vi.waitFor(() => expect(names(wrapper)).toEqual(['Red ones', 'Owls']))
  })

  it('deletes one, and brings it back', async () => {
    const wrapper = await list('Foxes', 'Owls')
    await choose(wrapper, 0, 'Delete')
    await vi.waitFor(() => expect(wrapper.text()).toContain('Deleted “Owls”'))
    expect(names(wrapper)).toEqual(['Foxes'])
    await wrapper.get('[data-testid=undo]').trigger('click')
    await vi.waitFor(() => expect(names(wrapper)).toEqual(['Owls', 'Foxes']))
    expect(wrapper.find('[data-testid=undo]').exists()).toBe(false)
  })

  it('searches names at once, and texts after a moment', async () => {
    const wrapper = await list('Foxes', 'Owls', 'Bears')
    const search = wrapper.get('[data-testid=search]')
    expect(search.attributes('aria-label')).toBe('Search sessions')
    await search.setValue('owl')
    expect(names(wrapper)).toEqual(['Owls'])
    await search.setValue('re: bears')
    expect(wrapper.get('[role=status]').text()).toBe('Searching the texts …')
    await vi.waitFor(() => expect(names(wrapper)).toEqual(['Bears']))
    await search.setValue('nothing of it')
    await vi.waitFor(() =>
      expect(wrapper.get('[role=status]').text()).toBe('No session has all these words.'),
    )
  })

  it('shows that sessions cannot be stored, and that this one is a copy', async () => {
    const wrapper = await list('Foxes')
    useSession().storageError = 'quota exceeded'
    useSession().forked = true
    await nextTick()
    expect(wrapper.get('.problem').text()).toContain('quota exceeded')
    expect(wrapper.get('[data-testid=forked]').text()).toContain('goes on here as a copy')
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import { nextTick } from 'vue'
import KeptList from '../../src/ui/KeptList.vue'
import type { KeptEntry } from '../../src/ui/KeptList.vue'
import LiveRegion from '../../src/ui/LiveRegion.vue'

const entry = (id: string, part: Partial<KeptEntry> = {}): KeptEntry => ({
  id,
  label: `Name of ${id}`,
  about: 'today',
  menuLabel: `Actions for ${id}`,
  actions: [],
  ...part,
})

function list(part: object = {}) {
  const wrapper = mount(KeptList, {
    attachTo: document.body,
    props: {
      kind: 'session',
      title: 'Sessions',
      menuLabel: 'All sessions',
      menuActions: [],
      entries: [entry('a'), entry('b', { isCurrent: true, isPinned: true })],
      nameLabel: 'Name of the session',
      status: null,
      problem: null,
      importResult: null,
      removed: null,
      editing: null as string | null,
      'onUpdate:editing': (editing: string | null) => wrapper.setProps({ editing }),
      ...part,
    },
  })
  return wrapper
}

describe('KeptList', () => {
  it('is named by its title and shows its entries', () => {
    const wrapper = list()
    const section = wrapper.get('section')
    const title = document.getElementById(section.attributes('aria-labelledby')!)
    expect(title!.textContent).toBe('Sessions')
    const [first, second] = wrapper.findAll('[data-testid=session]')
    expect(first!.text()).toContain('Name of a')
    expect(first!.get('button').attributes('aria-current')).toBeUndefined()
    expect(second!.get('button').attributes('aria-current')).toBe('true')
    expect(second!.text()).toContain('pinned')
    expect(first!.text()).not.toContain('pinned')
  })

  it('opens an entry by a click', async () => {
    const wrapper = list()
    await wrapper.findAll('[data-testid=session] button')[0]!.trigger('click')
    expect(wrapper.emitted('open')).toEqual([['a']])
  })

  it('renames by F2 and Enter, and returns the focus', async () => {
    const wrapper = list()
    await wrapper.get('[data-testid=session] button').trigger('keydown', { key: 'F2' })
    await nextTick()
    const field = wrapper.get<HTMLInputElement>('[data-testid=rename]')
    expect(document.activeElement).toBe(field.element)
    expect(field.element.value).toBe('Name of a')
    expect(field.attributes('aria-label')).toBe('Name of the session')
    await field.setValue('  Foxes ')
    await field.trigger('keydown', { key: 'Enter' })
    await nextTick()
    expect(wrapper.emitted('rename')).toEqual([['a', 'Foxes']])
    expect(document.activeElement).toBe(wrapper.get('[data-testid=session] button').element)
  })

  it('keeps the name at Escape, and where it is the same', async () => {
    const wrapper = list({ editing: 'a' })
    await wrapper.get('[data-testid=rename]').setValue('Foxes')
    await wrapper.get('[data-testid=rename]').trigger('keydown', { key: 'Escape' })
    expect(wrapper.emitted('rename')).toBeUndefined()
    await wrapper.setProps({ editing: 'a' })
    await nextTick()
    await wrapper.get('[data-testid=rename]').trigger('keydown', { key: 'Enter' })
    expect(wrapper.emitted('rename')).toBeUndefined()
    expect(wrapper.find('[data-testid=rename]').exists()).toBe(false)
  })

  it('offers to undo the last deletion, moves the focus there and announces it', async () => {
    const live = mount(LiveRegion)
    const wrapper = list({ removed: { id: 'c', text: 'Deleted “C”' } })
    await nextTick()
    const undo = wrapper.get('[data-testid=undo]')
    expect(document.activeElement).toBe(undo.element)
    expect(live.text()).toContain('Deleted “C”')
    await undo.trigger('click')
    expect(wrapper.emitted('undo')).toHaveLength(1)
    await wrapper.get('[aria-label=Close]').trigger('click')
    expect(wrapper.emitted('dismissUndo')).toHaveLength(1)
  })

  it('shows a problem, the result of an import, and why it is empty', () => {
    const wrapper = list({
      entries: [],
      problem: 'No storage',
      importResult: { text: 'The file is no JSON.', failed: true },
      status: 'Nothing yet',
    })
    expect(wrapper.findAll('.problem').map((problem) => problem.text())).toEqual([
      'No storage',
      'The file is no JSON.',
    ])
    expect(wrapper.get('[role=status]').text()).toBe('Nothing yet')
    expect(wrapper.find('ul').exists()).toBe(false)
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { clear } from 'idb-keyval'
import { beforeEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { useArena } from '../../../src/features/arena/arenaStore'
import PresetList from '../../../src/features/presets/PresetList.vue'
import { db } from '../../../src/features/sessions/sessionDatabase'
import { addPane } from '../page'
import 'fake-indexeddb/auto'

beforeEach(() => clear(db()))

const list = () => mount(PresetList, { attachTo: document.body })
const rows = (wrapper: ReturnType<typeof list>) => wrapper.findAll('[data-testid=preset]')

/** Saves the panes and leaves the field for the name. */
async function save(wrapper: ReturnType<typeof list>, name: string) {
  await wrapper.get('[data-testid=save-preset]').trigger('click')
  await vi.waitFor(() => wrapper.get('[data-testid=rename]'))
  await wrapper.get('[data-testid=rename]').setValue(name)
  await wrapper.get('[data-testid=rename]').trigger('keydown', { key: 'Enter' })
  await vi.waitFor(() => expect(rows(wrapper)[0]!.text()).toContain(name))
}

async function choose(wrapper: ReturnType<typeof list>, label: string) {
  await rows(wrapper)[0]!.get('[aria-haspopup=menu]').trigger('click')
  await nextTick()
  const items = [...document.querySelectorAll<HTMLElement>('[role=menuitem]')]
  items.find((item) => item.textContent!.trim() === label)!.click()
}

it('saves nothing without panes', () => {
  const wrapper = list()
  expect(wrapper.text()).toContain('Keep workers, settings and system prompts under a name.')
  const button = wrapper.get<HTMLButtonElement>('[data-testid=save-preset]')
  expect(button.element.disabled).toBe(true)
  expect(button.attributes('aria-label')).toBe('Save these panes as a preset')
})

it('saves the panes, under their names or another', async () => {
  addPane('Fox')
  addPane('Owl')
  const wrapper = list()
  await wrapper.get('[data-testid=save-preset]').trigger('click')
  await vi.waitFor(() => wrapper.get('[data-testid=rename]'))
  const field = wrapper.get<HTMLInputElement>('[data-testid=rename]')
  expect(field.element.value).toBe('Fox · Owl')
  await field.trigger('keydown', { key: 'Escape' })
  expect(rows(wrapper)[0]!.text()).toContain('Fox · Owl')
  expect(rows(wrapper)[0]!.text()).toContain('2 panes')
})

it('opens a preset with its settings, in place of the panes', async () => {
  addPane('Fox', { settings: { seed: 1 }, system: 'Be kind.' })
  const wrapper = list()
  await save(wrapper, 'Kind fox')
  const arena = useArena()
  arena.removePane(arena.panes[0]!.id)
  addPane('Owl')
  await rows(wrapper)[0]!.get('button').trigger('click')
  await vi.waitFor(() => expect(wrapper.emitted('opened')).toHaveLength(1))
  expect(arena.panes).toMatchObject([
    { workerUrl: 'http://fox:1', settings: { seed: 1 }, system: 'Be kind.' },
  ])
})

it('replaces the panes of a preset, and keeps its name', async () => {
  addPane('Fox')
  const wrapper = list()
  await save(wrapper, 'Mine')
  addPane('Owl')
  await choose(wrapper, 'Save these panes here')
  await vi.waitFor(() => expect(rows(wrapper)[0]!.text()).toContain('2 panes'))
  expect(rows(wrapper)[0]!.text()).toContain('Mine')
})

it('deletes a preset, and brings it back', async () => {
  addPane('Fox')
  const wrapper = list()
  await save(wrapper, 'Mine')
  await choose(wrapper, 'Delete')
  await vi.waitFor(() => expect(wrapper.text()).toContain('Deleted “Mine”'))
  expect(rows(wrapper)).toHaveLength(0)
  await wrapper.get('[data-testid=undo]').trigger('click')
  await vi.waitFor(() => expect(rows(wrapper)).toHaveLength(1))
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { useArena } from '../../../src/features/arena/arenaStore'
import ChatPane from '../../../src/features/panes/ChatPane.vue'
import { useWorkers } from '../../../src/features/workers/workersStore'
import { addPane, addWorker, answered, happen, params, send } from '../page'

vi.mock('../../../src/features/turns/loadMarkdown', () => ({
  loadMarkdown: () => new Promise(() => {}),
}))

beforeEach(() => {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  )
})

function show(pane = addPane('Fox')) {
  const wrapper = mount(ChatPane, { props: { pane }, attachTo: document.body })
  return { wrapper, pane, arena: useArena() }
}

const openSettings = (wrapper: ReturnType<typeof show>['wrapper']) =>
  wrapper.get('[data-testid=settings-open]').trigger('click')

describe('a pane', () => {
  it('is a region with the name of its worker, and shows that it is ready', () => {
    const { wrapper, pane } = show()
    expect(wrapper.get('section').attributes()).toMatchObject({
      'aria-label': 'Fox',
      'data-status': 'idle',
      'data-pane-id': pane.id,
    })
    expect(wrapper.get('[data-pane-body]').attributes('aria-label')).toBe('Conversation with Fox')
    expect(wrapper.get('[data-pane-body]').text()).toBe('Ready when you are.')
  })

  it('numbers the panes of one worker', () => {
    addPane('Fox')
    expect(show().wrapper.attributes('aria-label')).toBe('Fox #2')
  })

  it('shows all turns, and regenerates the last one only', async () => {
    const { wrapper, pane } = show()
    happen(pane, ...answered('one', 'A'), ...answered('two', 'B'))
    await nextTick()
    const turns = wrapper.findAll('[data-testid=turn]')
    expect(turns.map((turn) => turn.get('[data-testid=answer-text]').text())).toEqual(['A', 'B'])
    expect(turns[0]!.find('[data-testid=regenerate]').exists()).toBe(false)
    expect(turns[1]!.find('[data-testid=regenerate]').exists()).toBe(true)
    expect(wrapper.attributes('data-status')).toBe('done')
  })

  it('shows the version that is chosen in a turn', async () => {
    const { wrapper, pane } = show()
    happen(pane, ...answered('one', 'A'))
    happen(pane, { type: 'resend', params: {}, system: null, at: 3000 })
    happen(pane, ...answered('', 'B').slice(1))
    await nextTick()
    await wrapper.get('[data-testid=earlier]').trigger('click')
    await nextTick()
    expect(wrapper.get('[data-testid=answer-text]').text()).toBe('A')
    expect(wrapper.get('[data-testid=version]').text()).toBe('1/2')
  })

  it('becomes the current one when it gets the focus', async () => {
    addPane('Owl')
    const { wrapper, pane, arena } = show()
    expect(wrapper.classes()).not.toContain('current')
    await wrapper.get('[data-pane-body]').trigger('focusin')
    expect(arena.currentId).toBe(pane.id)
    expect(wrapper.classes()).toContain('current')
  })

  it('opens its settings, closes them by Escape, and returns the focus', async () => {
    addWorker('Fox', { params })
    const { wrapper } = show()
    const button = wrapper.get<HTMLElement>('[data-testid=settings-open]')
    button.element.focus()
    await openSettings(wrapper)
    expect(button.attributes('aria-expanded')).toBe('true')
    const panel = wrapper.get('[data-testid=settings]')
    expect(panel.attributes('aria-label')).toBe('Settings of Fox')
    expect(document.activeElement).toBe(panel.get('h2').element)
    await panel.trigger('keydown', { key: 'Escape' })
    await nextTick()
    expect(wrapper.find('[data-testid=settings]').exists()).toBe(false)
    expect(document.activeElement).toBe(button.element)
  })
})

describe('the head of a pane', () => {
  it('changes the worker, whose settings are others', async () => {
    addWorker('Owl')
    const { wrapper, pane } = show(addPane('Fox', { settings: { seed: 1 }, system: 'Be kind.' }))
    expect(wrapper.get('header').text()).toContain('2 changed')
    const select = wrapper.get<HTMLSelectElement>('header select')
    expect(select.attributes('aria-label')).toBe('Worker of this pane')
    await select.setValue('http://owl:1')
    expect(pane).toMatchObject({
      workerUrl: 'http://owl:1',
      workerName: 'Owl',
      system: 'Be kind.',
    })
    expect(pane.settings).toEqual({})
    expect(wrapper.attributes('aria-label')).toBe('Owl')
  })

  it('stops an answer, and keeps its worker meanwhile', async () => {
    const { wrapper, pane } = show()
    expect(wrapper.find('[data-testid=stop]').exists()).toBe(false)
    happen(pane, send('q'))
    await nextTick()
    expect(wrapper.get('[data-testid=stop]').attributes('aria-label')).toBe('Stop Fox')
    expect(wrapper.get<HTMLSelectElement>('header select').element.disabled).toBe(true)
  })

  it('still names a worker that was removed, and adds it again', async () => {
    const { wrapper, pane } = show()
    useWorkers().remove(pane.workerUrl)
    await nextTick()
    expect(wrapper.get('[data-testid=pane-state]').text()).toBe('not registered')
    expect(wrapper.get('header select').text()).toBe('Fox')
    const body = wrapper.get('[data-pane-body]')
    expect(body.text()).toContain('not in the list any more')
    await body.get('button').trigger('click')
    expect(useWorkers().find(pane.workerUrl)!.givenName).toBe('Fox')
  })

  it('shows that the pane is muted', async () => {
    const { wrapper, pane } = show()
    pane.muted = true
    await nextTick()
    expect(wrapper.get('header .tag').text()).toBe('muted')
    expect(wrapper.get('[data-pane-body]').text()).toContain('prompts to all panes leave it out')
  })
})

describe('a pane whose worker is not ready', () => {
  it('shows how far the model is loaded', async () => {
    const worker = addWorker('Fox')
    worker.health = {
      ...worker.health,
      state: 'loading',
      progress: { stage: 'weights', fraction: 0.5 },
    }
    const { wrapper } = show()
    expect(wrapper.get('[data-pane-body]').text()).toContain('The model is being loaded.')
    expect(wrapper.get('[role=progressbar]').attributes()).toMatchObject({
      'aria-valuenow': '50',
      'aria-label': 'Loading progress of Fox',
    })
  })

  it('shows why it failed, and what to do if it cannot be reached', async () => {
    const worker = addWorker('Fox')
    worker.health = { ...worker.health, state: 'failed', error: 'no such file' }
    const { wrapper } = show()
    expect(wrapper.get('[data-pane-body]').text()).toContain('no such file')
    worker.health = { ...worker.health, state: 'down' }
    await nextTick()
    expect(wrapper.get('[data-pane-body]').text()).toContain(`--allow-origin ${location.origin}`)
    worker.locked = true
    worker.health = { ...worker.health, state: 'ready' }
    await nextTick()
    expect(wrapper.get('[data-pane-body]').text()).toContain('wants an API key')
  })
})

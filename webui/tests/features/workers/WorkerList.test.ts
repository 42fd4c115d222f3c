// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { useArena } from '../../../src/features/arena/arenaStore'
import WorkerList from '../../../src/features/workers/WorkerList.vue'
import { useWorkers } from '../../../src/features/workers/workersStore'
import { addPane, addWorker, info } from '../page'

beforeEach(() => {
  vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('refused'))
})

const list = () => mount(WorkerList, { attachTo: document.body })
const cards = (wrapper: ReturnType<typeof list>) => wrapper.findAll('[data-testid=worker-card]')

async function choose(card: ReturnType<typeof cards>[number], label: string) {
  await card.get('[aria-haspopup=menu]').trigger('click')
  await nextTick()
  const items = [...document.querySelectorAll<HTMLElement>('[role=menuitem]')]
  items.find((item) => item.textContent!.trim() === label)!.click()
  await nextTick()
}

describe('the list of workers', () => {
  it('shows that there is none', () => {
    expect(list().text()).toContain('No worker yet.')
  })

  it('shows each with its state and its facts', () => {
    addWorker('Fox', { info: info({ quantization: 'int4' }) })
    const wrapper = list()
    const card = cards(wrapper)[0]!
    expect(card.get('h3').text()).toBe('Fox')
    expect(card.attributes('data-state')).toBe('ready')
    expect(card.text()).toContain('ready')
    expect(card.get('.summary').text()).toBe('fox-7b · int4 · cpu')
    expect(card.get('details').text()).toContain('1 running, 2 waiting')
  })

  it('moves them, and cannot move the first one up', async () => {
    addWorker('Fox')
    addWorker('Owl')
    const wrapper = list()
    await choose(cards(wrapper)[0]!, 'Move down')
    expect(cards(wrapper).map((card) => card.get('h3').text())).toEqual(['Owl', 'Fox'])
    await cards(wrapper)[0]!.get('[aria-haspopup=menu]').trigger('click')
    await nextTick()
    expect(document.querySelector('[aria-disabled=true]')!.textContent).toContain('Move up')
  })

  it('shows that the hub cannot be reached', async () => {
    const wrapper = list()
    expect(wrapper.find('[role=status]').exists()).toBe(false)
    useWorkers().hubLost = true
    await nextTick()
    expect(wrapper.get('[role=status]').text()).toContain('The hub does not answer.')
  })
})

describe("a worker's card", () => {
  it('opens a pane, until there are as many as the page can have', async () => {
    addWorker('Fox')
    const wrapper = list()
    const button = cards(wrapper)[0]!.get<HTMLButtonElement>('[data-testid=open-pane]')
    expect(button.attributes('aria-label')).toBe('Open a pane: Fox')
    for (let count = 1; count <= 12; count++) await button.trigger('click')
    expect(useArena().panes).toHaveLength(12)
    expect(button.element.disabled).toBe(true)
  })

  it('shows progress, errors and a missing key', async () => {
    const worker = addWorker('Fox')
    const wrapper = list()
    const card = () => cards(wrapper)[0]!
    worker.health = {
      ...worker.health,
      state: 'loading',
      progress: { stage: 'weights', fraction: 0.2 },
    }
    await nextTick()
    expect(card().get('[role=progressbar]').attributes('aria-valuenow')).toBe('20')
    worker.health = { state: 'failed', progress: null, error: 'no such file', restarts: 2 }
    await nextTick()
    expect(card().get('.bad').text()).toBe('no such file')
    expect(card().get('.tags').text()).toContain('restarted 2×')
    worker.health = { ...worker.health, state: 'down' }
    await nextTick()
    expect(card().text()).toContain(`Nothing answers at ${worker.url}`)
    worker.health = { ...worker.health, state: 'ready' }
    worker.locked = true
    await nextTick()
    expect(card().attributes('data-state')).toBe('locked')
    expect(card().get('.bad').text()).toContain('wants an API key')
  })

  it('mutes the worker, and shows it', async () => {
    addWorker('Fox')
    const wrapper = list()
    await choose(cards(wrapper)[0]!, 'Mute')
    expect(useWorkers().find('http://fox:1')!.muted).toBe(true)
    expect(cards(wrapper)[0]!.get('.tags').text()).toBe('muted')
  })

  it('removes a worker, whose panes stay', async () => {
    addPane('Fox')
    const wrapper = list()
    await choose(cards(wrapper)[0]!, 'Remove')
    await nextTick()
    expect(cards(wrapper)).toHaveLength(0)
    expect(useArena().panes).toHaveLength(1)
  })

  it('shows why a worker of the hub could not be removed; one of the zoo file cannot be', async () => {
    addWorker('Fox', { hub: { id: 'fox', name: 'Fox', source: 'registered' } })
    addWorker('Owl', { hub: { id: 'owl', name: 'Owl', source: 'zoo' } })
    const wrapper = list()
    await choose(cards(wrapper)[0]!, 'Remove')
    await vi.waitFor(() => expect(cards(wrapper)[0]!.get('[role=alert]').text()).toBe('refused'))
    expect(cards(wrapper)).toHaveLength(2)
    await cards(wrapper)[1]!.get('[aria-haspopup=menu]').trigger('click')
    await nextTick()
    expect(document.querySelector('[role=menu]')!.textContent).not.toContain('Remove')
  })
})

describe("a worker's dialog", () => {
  const field = (name: string) => document.querySelector<HTMLInputElement>(`#worker-${name}`)!
  const save = () => document.querySelector('form')!.dispatchEvent(new Event('submit'))

  async function fill(values: Record<string, string>) {
    for (const [name, value] of Object.entries(values)) {
      field(name).value = value
      field(name).dispatchEvent(new Event('input'))
    }
    save()
    await nextTick()
  }

  async function openNew() {
    const wrapper = list()
    await wrapper.get('[data-testid=add-worker]').trigger('click')
    await nextTick()
    return wrapper
  }

  it('registers a worker, with a pane', async () => {
    const wrapper = await openNew()
    await fill({ url: 'localhost:8081/', name: ' Fox ', key: 'sesame' })
    expect(cards(wrapper).map((card) => card.get('h3').text())).toEqual(['Fox'])
    expect(useWorkers().target('http://localhost:8081').apiKey).toBe('sesame')
    expect(useArena().panes.map(({ workerUrl }) => workerUrl)).toEqual(['http://localhost:8081'])
    expect(document.querySelector('form')).toBeNull()
  })

  it.each([
    ['', 'Please enter'],
    ['http://', 'This is not an address.'],
    ['ftp://fox', 'must begin with http'],
    ['http://me:secret@fox', 'must not contain a user name'],
    ['fox:1', 'already in the list'],
  ])('shows the problem of the address %j', async (url, problem) => {
    addWorker('Fox')
    await openNew()
    await fill({ url })
    expect(document.querySelector('#worker-url-hint')!.textContent).toContain(problem)
    expect(field('url').getAttribute('aria-invalid')).toBe('true')
    expect(document.activeElement).toBe(field('url'))
    expect(useWorkers().list).toHaveLength(1)
  })

  it('edits a worker, and moves its panes to its new address', async () => {
    const pane = addPane('Fox')
    const wrapper = list()
    await choose(cards(wrapper)[0]!, 'Edit')
    await nextTick()
    expect(field('url').value).toBe('http://fox:1')
    expect(field('name').value).toBe('Fox')
    await fill({ url: 'fox:2', name: 'Red fox' })
    expect(useWorkers().list.map(({ url, givenName }) => [url, givenName])).toEqual([
      ['http://fox:2', 'Red fox'],
    ])
    expect(pane.workerUrl).toBe('http://fox:2')
  })

  it('does not change the address of a worker of the zoo file', async () => {
    addWorker('Owl', { hub: { id: 'owl', name: 'Owl', source: 'zoo' } })
    const wrapper = list()
    await choose(cards(wrapper)[0]!, 'Edit')
    await nextTick()
    expect(field('url').disabled).toBe(true)
  })
})

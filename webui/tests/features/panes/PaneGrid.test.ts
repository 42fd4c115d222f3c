// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { useArena } from '../../../src/features/arena/arenaStore'
import NoPanes from '../../../src/features/panes/NoPanes.vue'
import PaneGrid from '../../../src/features/panes/PaneGrid.vue'
import { addPane, addWorker } from '../page'

let resize: (width: number, height: number) => void

beforeEach(() => {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      constructor(private readonly callback: (entries: object[]) => void) {}
      observe(element: Element) {
        if (!element.classList.contains('grid')) return
        resize = (width, height) => this.callback([{ contentRect: { width, height } }])
      }
      unobserve() {}
      disconnect() {}
    },
  )
})

async function grid(count: number, width: number) {
  for (let index = 0; index < count; index++) addPane(`Fox${index}`)
  const wrapper = mount(PaneGrid, { attachTo: document.body })
  resize(width, 700)
  await nextTick()
  return wrapper
}

type Wrapper = Awaited<ReturnType<typeof grid>>
const style = (wrapper: Wrapper) => wrapper.get<HTMLElement>('.grid').element.style
const columns = (wrapper: Wrapper) => style(wrapper).gridTemplateColumns
const places = (wrapper: Wrapper) =>
  wrapper
    .findAll<HTMLElement>('[data-testid=pane]')
    .map(({ element }) => [
      element.style.gridColumn.split(' ')[0],
      element.style.gridRow.split(' ')[0],
    ])

describe('the grid of panes', () => {
  it('has as many columns as fit, in rows of nearly the same length', async () => {
    const wrapper = await grid(4, 1000)
    expect(columns(wrapper)).toBe('minmax(0, 1fr) minmax(0, 1fr)')
    expect(places(wrapper)).toEqual([
      ['1', '1'],
      ['2', '1'],
      ['1', '2'],
      ['2', '2'],
    ])
    resize(1300, 700)
    await nextTick()
    expect(columns(wrapper).match(/minmax/g)).toHaveLength(4)
  })

  it('has one column in rows', async () => {
    const wrapper = await grid(2, 1000)
    useArena().layout = 'rows'
    await nextTick()
    expect(columns(wrapper)).toBe('100%')
    expect(style(wrapper).gridTemplateRows).toBe('345px 345px')
  })

  it('shows one that is maximised alone, and has no borders then', async () => {
    const wrapper = await grid(3, 1300)
    expect(wrapper.findAll('[role=separator]')).toHaveLength(2)
    useArena().maximised = useArena().panes[1]!.id
    await nextTick()
    expect(
      wrapper.findAll('[data-testid=pane]').map((pane) => pane.attributes('aria-label')),
    ).toEqual(['Fox1'])
    expect(wrapper.findAll('[role=separator]')).toHaveLength(0)
  })

  it('enlarges one pane by as much as its border shrinks the next', async () => {
    const wrapper = await grid(2, 1000)
    const border = wrapper.get('[role=separator]')
    expect(border.attributes('aria-label')).toBe('Border between Fox0 and Fox1')
    for (const pane of wrapper.findAll('[data-testid=pane]')) {
      pane.element.getBoundingClientRect = () => ({ width: 495, height: 700 }) as DOMRect
    }
    await border.trigger('keydown', { key: 'ArrowRight' })
    expect(useArena().panes.map(({ size }) => size)).toEqual([1.1, 0.9])
    expect(columns(wrapper)).toBe('minmax(0, 1.1fr) minmax(0, 0.9fr)')
  })

  it('has a page for each pane where no two fit, with the names above', async () => {
    const wrapper = await grid(3, 400)
    const pager = wrapper.get('[data-testid=pager]')
    const pages = pager.findAll('button')
    expect(pages.map((page) => page.text())).toEqual(['Fox0', 'Fox1', 'Fox2'])
    expect(pages[0]!.attributes('aria-current')).toBe('true')
    const scrollTo = vi.fn()
    wrapper.get('.grid').element.scrollTo = scrollTo
    await pages[2]!.trigger('click')
    expect(scrollTo).toHaveBeenCalledExactlyOnceWith({ left: 820 })
  })
})

describe('the page without panes', () => {
  it('shows how to start a worker, and registers one', async () => {
    const wrapper = mount(NoPanes, { attachTo: document.body })
    expect(wrapper.get('h2').text()).toBe('Compare chat models side by side')
    expect(wrapper.get('pre').text()).toContain('chatzoo serve --type echo --port 8081')
    await wrapper.get('[data-testid=empty-add]').trigger('click')
    await nextTick()
    expect(document.querySelector('[data-testid=worker-dialog]')).not.toBeNull()
  })

  it('opens a pane for each worker', async () => {
    addWorker('Fox')
    addWorker('Owl')
    await mount(NoPanes).get('[data-testid=open-all]').trigger('click')
    expect(useArena().panes.map(({ workerName }) => workerName)).toEqual(['Fox', 'Owl'])
  })
})

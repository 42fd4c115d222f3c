// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { useArena } from '../../../src/features/arena/arenaStore'
import ComposerBar from '../../../src/features/chat/ComposerBar.vue'
import { useWorkers } from '../../../src/features/workers/workersStore'

function compose() {
  // A worker that never answers: enough to see whether something was sent.
  const fetch = vi
    .spyOn(globalThis, 'fetch')
    .mockImplementation(
      (_url, init) =>
        new Promise((_resolve, reject) =>
          init!.signal!.addEventListener('abort', () =>
            reject(new DOMException('stopped', 'AbortError')),
          ),
        ),
    )
  const arena = useArena()
  for (const url of ['http://a:1', 'http://b:1']) {
    useWorkers().add({ url })
    arena.addPane({ workerUrl: url, workerName: url })
  }
  const composer = mount(ComposerBar, { props: { modelValue: '你好' } })
  return { arena, fetch, composer, area: composer.find('textarea') }
}

describe('composer', () => {
  it('sends one prompt to all panes with Enter', async () => {
    const { composer, area, fetch, arena } = compose()
    await area.trigger('keydown', { key: 'Enter' })
    expect(fetch.mock.calls.map(([url]) => url)).toEqual([
      'http://a:1/generate',
      'http://b:1/generate',
    ])
    expect(JSON.parse(String(fetch.mock.calls[0]![1]!.body))).toEqual({
      messages: [{ role: 'user', content: '你好' }],
      params: {},
      stream: true,
    })
    expect(composer.emitted('update:modelValue')).toEqual([['']])
    expect(arena.busyIds).toHaveLength(2)
  })

  it('does not send the Enter that ends a composition, nor Shift+Enter', async () => {
    const { area, fetch } = compose()
    await area.trigger('keydown', { key: 'Enter', isComposing: true })
    await area.trigger('keydown', { key: 'Enter', keyCode: 229 })
    await area.trigger('keydown', { key: 'Enter', shiftKey: true })
    expect(fetch).not.toHaveBeenCalled()
  })

  it('sends to one pane, and leaves muted workers and panes out of all', async () => {
    const { composer, area, fetch, arena } = compose()
    useWorkers().find('http://b:1')!.muted = true
    await area.trigger('keydown', { key: 'Enter' })
    expect(fetch.mock.calls.map(([url]) => url)).toEqual(['http://a:1/generate'])
    useWorkers().find('http://b:1')!.muted = false
    arena.panes[1]!.muted = true
    await composer.vm.$nextTick()
    expect(composer.get('[data-testid="target"]').text()).toContain('(1)')
    arena.targetId = arena.panes[1]!.id
    await area.setValue('again')
    await area.trigger('keydown', { key: 'Enter' })
    expect(fetch.mock.calls.at(-1)![0]).toBe('http://b:1/generate')
  })

  it('stops while it cannot send', async () => {
    const { composer, area, arena } = compose()
    await area.trigger('keydown', { key: 'Enter' })
    await composer.get('[data-testid="stop-all"]').trigger('click')
    expect(arena.busyIds).toEqual([])
    expect(arena.panes.map(({ id }) => arena.state(id).turns[0]!.answer.status)).toEqual([
      'stopped',
      'stopped',
    ])
    expect(composer.find('[data-testid="send"]').exists()).toBe(true)
  })
})

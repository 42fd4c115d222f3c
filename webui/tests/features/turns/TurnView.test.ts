// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import type { ConversationEvent } from '../../../src/conversation/reduce'
import { useArena } from '../../../src/features/arena/arenaStore'
import TurnView from '../../../src/features/turns/TurnView.vue'
import { addPane, again, answered, delta, done, fail, happen, send } from '../page'

// Its libraries take a second to load and are tested by themselves.
vi.mock('../../../src/features/turns/loadMarkdown', () => ({
  loadMarkdown: () => new Promise(() => {}),
}))

/** The last turn of a new pane, after some events. */
function turnAfter(...events: ConversationEvent[]) {
  const pane = addPane('Fox')
  happen(pane, ...events)
  const props = () => ({
    pane,
    name: 'Fox',
    turn: useArena().state(pane.id).turns.at(-1)!,
    isLast: true,
    busy: useArena().busyIds.includes(pane.id),
    more: [],
  })
  const wrapper = mount(TurnView, { props: props(), attachTo: document.body })
  const then = async (...more: ConversationEvent[]) => {
    happen(pane, ...more)
    await wrapper.setProps(props())
  }
  return { wrapper, then, pane }
}

describe('a turn', () => {
  it('shows prompt, answer and figures', () => {
    const { wrapper } = turnAfter(...answered('What is a fox?', 'A fox is **red**.'))
    expect(wrapper.get('[data-testid=prompt]').text()).toBe('You:What is a fox?')
    expect(wrapper.get('[data-testid=answer-text]').text()).toBe('A fox is **red**.')
    expect(wrapper.get('[data-testid=answer]').attributes()).toMatchObject({
      'data-status': 'done',
      'aria-busy': 'false',
    })
    expect(wrapper.get('[data-metric=tokens]').text()).toContain('12')
  })

  it('shows its progress, then its text while it grows', async () => {
    const { wrapper, then } = turnAfter(send('q'))
    const progress = () => wrapper.get('[data-testid=progress]').text()
    expect(progress()).toBe('Waiting for the worker …')
    await then({ type: 'queued', data: { position: 3 }, at: 1001 } as ConversationEvent)
    expect(progress()).toBe('In line, place 3')
    await then({ type: 'start', data: { id: 'r' }, at: 1002 } as ConversationEvent)
    expect(progress()).toBe('Reading the prompt …')
    await then(delta('', 'Hm.'))
    expect(progress()).toBe('Thinking …')
    await then(delta('Red'))
    expect(progress()).toBe('')
    expect(wrapper.get('[data-testid=answer-text]').text()).toBe('Red')
    expect(wrapper.find('[data-testid=regenerate]').exists()).toBe(false)
    await then(done)
    expect(wrapper.find('[data-testid=progress]').exists()).toBe(false)
  })

  it('keeps the reasoning folded beside the answer', () => {
    const { wrapper } = turnAfter(send('q'), delta('Red.', 'Foxes are red.'), done)
    const reasoning = wrapper.get<HTMLDetailsElement>('[data-testid=reasoning]')
    expect(reasoning.element.open).toBe(false)
    expect(reasoning.get('summary').text()).toBe('Reasoning')
    expect(reasoning.text()).toContain('Foxes are red.')
    expect(wrapper.get('[data-testid=answer-text]').text()).toBe('Red.')
  })

  it('shows that an answer is empty, and how many messages were left out', () => {
    const { wrapper } = turnAfter(
      send('q'),
      { type: 'start', data: { id: 'r', dropped_turns: 2 }, at: 1 } as ConversationEvent,
      done,
    )
    expect(wrapper.text()).toContain('The model gave an empty answer.')
    expect(wrapper.text()).toContain('The oldest 2 messages were left out')
  })

  it('shows an error with its text so far, and can try again', async () => {
    const { wrapper } = turnAfter(send('q'), delta('half'), fail('connection_lost'))
    expect(wrapper.get('[data-testid=answer-text]').text()).toBe('half')
    expect(wrapper.get('[data-testid=error]').text()).toContain(
      'The connection broke before the answer ended.',
    )
    await wrapper.get('[data-testid=retry]').trigger('click')
    expect(wrapper.emitted('regenerate')).toHaveLength(1)
    expect(wrapper.find('[data-testid=regenerate]').exists()).toBe(false)
  })

  it('offers to regenerate the last answer only', async () => {
    const { wrapper } = turnAfter(...answered('q', 'a'))
    await wrapper.get('[data-testid=regenerate]').trigger('click')
    expect(wrapper.emitted('regenerate')).toHaveLength(1)
    await wrapper.setProps({ isLast: false })
    expect(wrapper.find('[data-testid=regenerate]').exists()).toBe(false)
  })

  it('steps through versions, but not while one streams', async () => {
    const { wrapper, then } = turnAfter(...answered('q', 'one'))
    expect(wrapper.find('[data-testid=version]').exists()).toBe(false)
    await then(again)
    const button = (name: string) => wrapper.get<HTMLButtonElement>(`[data-testid=${name}]`)
    expect(wrapper.get('[data-testid=answer-text]').text(), 'until there is text').toBe('one')
    await then(delta('two'), done)
    expect(wrapper.get('[data-testid=version]').text()).toBe('2/2')
    expect(button('later').element.disabled).toBe(true)
    await button('earlier').trigger('click')
    expect(wrapper.emitted('version')).toEqual([[-1]])
    await then({ type: 'version', turnId: 'turn-q', step: -1 })
    expect(wrapper.get('[data-testid=version]').text()).toBe('1/2')
    expect(wrapper.get('[data-testid=answer-text]').text()).toBe('one')
    expect(button('earlier').element.disabled).toBe(true)
  })

  it('shows whether another pane gave the same answer', async () => {
    const owl = addPane('Owl')
    happen(owl, ...answered('q', 'Red.'))
    const { wrapper, pane } = turnAfter(...answered('q', 'Red. '))
    await nextTick()
    expect(wrapper.get('[data-testid=mark]').text()).toMatch(/=\s*same/)
    happen(pane, again, delta('Blue.'), done)
    await wrapper.setProps({ turn: useArena().state(pane.id).turns[0]! })
    expect(wrapper.get('[data-testid=mark]').text()).toMatch(/≠\s*differs/)
  })
})

describe('the prompt of a turn', () => {
  it('is folded where it is long', async () => {
    const lines = Array.from({ length: 9 }, (_, index) => `line ${index}`).join('\n')
    const { wrapper } = turnAfter(...answered(lines, 'a'))
    const fold = wrapper.get('[data-testid=prompt] button')
    expect(fold.text()).toBe('Show all')
    expect(fold.attributes('aria-expanded')).toBe('false')
    expect(wrapper.find('.clamped').exists()).toBe(true)
    await fold.trigger('click')
    expect(fold.text()).toBe('Show less')
    expect(wrapper.find('.clamped').exists()).toBe(false)
  })

  it('is edited and sent again, here or to all panes', async () => {
    const { wrapper } = turnAfter(...answered('Red?', 'Yes.'))
    await wrapper.get('[data-testid=edit]').trigger('click')
    const area = wrapper.get<HTMLTextAreaElement>('[data-testid=editor] textarea')
    expect(area.element.value).toBe('Red?')
    await area.setValue('Blue?')
    await area.trigger('keydown', { key: 'Enter' })
    await wrapper.get('[data-testid=edit]').trigger('click')
    await wrapper.get('textarea').setValue('Green?')
    await wrapper.get('[data-testid=edit-all]').trigger('click')
    expect(wrapper.emitted('edit')).toEqual([
      ['Blue?', false],
      ['Green?', true],
    ])
    expect(wrapper.find('[data-testid=editor]').exists()).toBe(false)
  })

  it('stays unchanged at Escape, and returns the focus', async () => {
    const { wrapper } = turnAfter(...answered('Red?', 'Yes.'))
    await wrapper.get('[data-testid=edit]').trigger('click')
    await nextTick()
    expect(document.activeElement!.tagName).toBe('TEXTAREA')
    await wrapper.get('textarea').setValue('Blue?')
    await wrapper.get('textarea').trigger('keydown', { key: 'Escape' })
    await nextTick()
    expect(wrapper.emitted('edit')).toBeUndefined()
    expect(document.activeElement).toBe(wrapper.get('[data-testid=edit]').element)
  })

  it('cannot be sent empty, nor edited while the pane is answering', async () => {
    const { wrapper } = turnAfter(...answered('Red?', 'Yes.'))
    await wrapper.get('[data-testid=edit]').trigger('click')
    await wrapper.get('textarea').setValue('  ')
    await wrapper.get('textarea').trigger('keydown', { key: 'Enter' })
    expect(wrapper.emitted('edit')).toBeUndefined()
    expect(wrapper.get<HTMLButtonElement>('[data-testid=edit-here]').element.disabled).toBe(true)
    const other = turnAfter(send('q')).wrapper
    expect(other.get<HTMLButtonElement>('[data-testid=edit]').element.disabled).toBe(true)
  })
})

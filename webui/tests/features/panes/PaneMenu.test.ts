// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import { nextTick } from 'vue'
import type { Pane } from '../../../src/conversation/panes'
import { useArena } from '../../../src/features/arena/arenaStore'
import PaneMenu from '../../../src/features/panes/PaneMenu.vue'
import { addPane, answered, happen, send } from '../page'

/** The entries of the open menu by their text. */
async function open(pane: Pane) {
  const wrapper = mount(PaneMenu, { props: { pane, name: 'Fox' }, attachTo: document.body })
  const button = wrapper.get('button')
  expect(button.attributes('aria-label')).toBe('Actions for the pane Fox')
  await button.trigger('click')
  await nextTick()
  const items = [...document.querySelectorAll<HTMLElement>('[role=menuitem]')]
  return new Map(items.map((item) => [item.textContent!.trim(), item]))
}

const isDisabled = (item: HTMLElement) => item.getAttribute('aria-disabled') === 'true'

describe("a pane's menu", () => {
  it('offers the actions of an empty pane', async () => {
    const menu = await open(addPane('Fox'))
    const usable = [...menu].filter(([, item]) => !isDisabled(item)).map(([label]) => label)
    expect(usable).toEqual(['Maximise', 'Duplicate', 'Mute', 'Close'])
  })

  it('moves, mutes and maximises the pane', async () => {
    const arena = useArena()
    const fox = addPane('Fox')
    const owl = addPane('Owl')
    const menu = await open(fox)
    expect(isDisabled(menu.get('Move left')!)).toBe(true)
    menu.get('Move right')!.click()
    await nextTick()
    expect(arena.panes.map(({ id }) => id)).toEqual([owl.id, fox.id])
    ;(await open(fox)).get('Mute')!.click()
    expect(arena.panes[1]!.muted).toBe(true)
    ;(await open(fox)).get('Maximise')!.click()
    expect(arena.maximised).toBe(fox.id)
  })

  it('removes turns and restores them', async () => {
    const arena = useArena()
    const pane = addPane('Fox')
    happen(pane, ...answered('q', 'a'))
    const menu = await open(pane)
    expect(isDisabled(menu.get('Bring removed turns back')!)).toBe(true)
    menu.get('Undo the last turn')!.click()
    await nextTick()
    expect(arena.state(pane.id).turns).toHaveLength(0)
    ;(await open(pane)).get('Bring removed turns back')!.click()
    await nextTick()
    expect(arena.state(pane.id).turns).toHaveLength(1)
  })

  it('duplicates a pane without its conversation, and closes one', async () => {
    const arena = useArena()
    const pane = addPane('Fox', { settings: { seed: 1 } })
    happen(pane, ...answered('q', 'a'))
    ;(await open(pane)).get('Duplicate')!.click()
    await nextTick()
    expect(arena.panes.map(({ settings }) => settings)).toEqual([{ seed: 1 }, { seed: 1 }])
    expect(arena.state(arena.panes[1]!.id).turns).toHaveLength(0)
    ;(await open(pane)).get('Close')!.click()
    expect(arena.panes).toHaveLength(1)
    expect(arena.panes[0]!.id).not.toBe(pane.id)
  })

  it('does not change a conversation while an answer streams', async () => {
    const pane = addPane('Fox')
    happen(pane, ...answered('p', 'a'), send('q'))
    const menu = await open(pane)
    expect(isDisabled(menu.get('Regenerate')!)).toBe(true)
    expect(isDisabled(menu.get('Undo the last turn')!)).toBe(true)
    expect(isDisabled(menu.get('Clear')!)).toBe(false)
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import type { VueWrapper } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import ActionMenu from '../../src/ui/ActionMenu.vue'

let wrapper: VueWrapper | null = null
afterEach(() => wrapper?.unmount())

function menu(place: Element = document.body) {
  const run = { copy: vi.fn(), move: vi.fn(), close: vi.fn() }
  const actions = [
    { label: 'Copy', icon: 'copy', run: run.copy },
    { label: 'Move', icon: 'left', run: run.move, disabled: true },
    { label: 'Close', icon: 'close', run: run.close },
  ] as const
  wrapper = mount(ActionMenu, {
    props: { label: 'Actions', actions: [...actions] },
    attachTo: place,
  })
  return { button: wrapper.get('button'), run }
}

const list = () => document.querySelector('[role=menu]')
const focused = () => document.activeElement?.textContent?.trim()

async function press(key: string) {
  const init = { key, bubbles: true, cancelable: true }
  document.activeElement!.dispatchEvent(new KeyboardEvent('keydown', init))
  await nextTick()
}

async function openByKey(button: ReturnType<VueWrapper['get']>) {
  ;(button.element as HTMLElement).focus()
  await press('ArrowDown')
  await nextTick()
}

describe('the menu of actions', () => {
  it('opens at the first entry, skips disabled ones, and runs the chosen one', async () => {
    const { button, run } = menu()
    expect(button.attributes('aria-expanded')).toBe('false')
    await openByKey(button)
    expect(button.attributes('aria-expanded')).toBe('true')
    expect(focused()).toBe('Copy')
    await press('ArrowDown')
    expect(focused()).toBe('Close')
    await press('ArrowDown')
    expect(focused()).toBe('Close')
    await press('Enter')
    expect(run.close).toHaveBeenCalledOnce()
    expect(list()).toBeNull()
    expect(document.activeElement).toBe(button.element)
  })

  it.each(['Escape', 'Tab'])('closes by %s and returns the focus', async (key) => {
    const { button, run } = menu()
    const outside = vi.fn()
    document.addEventListener('keydown', outside)
    await openByKey(button)
    outside.mockClear()
    await press(key)
    document.removeEventListener('keydown', outside)
    expect(list()).toBeNull()
    expect(outside, 'the key must not reach a dialog around the menu').not.toHaveBeenCalled()
    expect(document.activeElement).toBe(button.element)
    expect(run.copy).not.toHaveBeenCalled()
  })

  it('moves to the first, to the last and by letter', async () => {
    await openByKey(menu().button)
    await press('End')
    expect(focused()).toBe('Close')
    await press('Home')
    expect(focused()).toBe('Copy')
    await press('c')
    expect(focused()).toBe('Close')
    await press('m')
    expect(focused()).toBe('Close')
  })

  it('does not run a disabled action, and closes by a press elsewhere', async () => {
    const { button, run } = menu()
    await button.trigger('click', { detail: 1 })
    await nextTick()
    const disabled = list()!.querySelector<HTMLElement>('[aria-disabled]')!
    disabled.click()
    expect(run.move).not.toHaveBeenCalled()
    expect(list()).not.toBeNull()
    document.body.dispatchEvent(new Event('pointerdown', { bubbles: true }))
    await nextTick()
    expect(list()).toBeNull()
  })

  it('opens within the dialog that its button is in', async () => {
    const dialog = document.createElement('div')
    dialog.setAttribute('role', 'dialog')
    document.body.append(dialog)
    await openByKey(menu(dialog).button)
    expect(dialog.querySelector('[role=menu]')).not.toBeNull()
    dialog.remove()
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'
import { defineComponent, h, ref } from 'vue'
import { useAutoScroll } from '../../../src/features/panes/useAutoScroll'

const HEIGHT = 100
let grow: () => void
let length: number
let top: number

beforeEach(() => {
  length = 400
  top = 0
  vi.stubGlobal(
    'ResizeObserver',
    class {
      constructor(callback: () => void) {
        grow = callback
      }
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  )
})

function pane() {
  let found!: ReturnType<typeof useAutoScroll>
  const wrapper = mount(
    defineComponent(() => {
      const box = ref<HTMLElement | null>(null)
      const text = ref<HTMLElement | null>(null)
      found = useAutoScroll(box, text)
      return () => h('div', { ref: box }, h('div', { ref: text }))
    }),
  )
  Object.defineProperties(wrapper.element, {
    clientHeight: { get: () => HEIGHT },
    scrollHeight: { get: () => length },
    scrollTop: {
      get: () => top,
      set: (value: number) => {
        top = Math.min(value, length - HEIGHT)
      },
    },
  })
  /** The text gets longer or shorter; the browser keeps the place within it. */
  const write = (more: number) => {
    length += more
    top = Math.min(top, length - HEIGHT)
    grow()
  }
  write(0)
  return { ...found, element: wrapper.element, write }
}

it('follows a text that grows, however much at once', () => {
  const { atEnd, look, write } = pane()
  for (const more of [20, 500, 3]) {
    write(more)
    expect(top).toBe(length - HEIGHT)
    look()
  }
  // The news of its own scrolling may come when more has been written.
  length += 300
  look()
  expect(atEnd.value).toBe(true)
})

it('stops following when the reader scrolls up a little, before or after the scroll event', () => {
  for (const heard of [true, false]) {
    const { atEnd, look, write } = pane()
    top -= 5
    const place = top
    if (heard) look()
    write(20)
    expect(top).toBe(place)
    expect(atEnd.value).toBe(false)
  }
})

it('stops following at the key or the wheel, before anything has moved', () => {
  for (const [event, stays] of [
    [new WheelEvent('wheel', { deltaY: -1 }), true],
    [new WheelEvent('wheel', { deltaY: 1 }), false],
    [new KeyboardEvent('keydown', { key: 'Home' }), true],
    [new KeyboardEvent('keydown', { key: 'End' }), false],
  ] as const) {
    const { element, letGo, look, write } = pane()
    const place = top
    element.dispatchEvent(event)
    letGo(event)
    // The news of the last step to the end comes now.
    look()
    write(20)
    expect(top === place).toBe(stays)
  }
})

it('follows again when the reader scrolls near the end or uses the button', () => {
  const { atEnd, look, toEnd, write } = pane()
  top = 10
  look()
  expect(atEnd.value).toBe(false)
  top = length - HEIGHT - 39
  look()
  write(20)
  expect(top).toBe(length - HEIGHT)
  top = 10
  look()
  toEnd()
  write(20)
  expect(top).toBe(length - HEIGHT)
})

it('stays at the end of a text that gets shorter', () => {
  const { atEnd, write } = pane()
  write(-200)
  expect(atEnd.value).toBe(true)
  write(50)
  expect(top).toBe(length - HEIGHT)
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import DiffDialog from '../../../src/features/turns/DiffDialog.vue'
import PromptDialog from '../../../src/features/turns/PromptDialog.vue'
import { compare } from '../../../src/lib/diff/words'
import { addPane, again, answered, delta, done, happen } from '../page'

beforeEach(() => {
  // jsdom has no web workers; this one compares in the next microtask.
  vi.stubGlobal(
    'Worker',
    class {
      onmessage?: (event: { data: unknown }) => void
      postMessage([before, after]: [string, string]) {
        queueMicrotask(() => this.onmessage?.({ data: compare(before, after) }))
      }
      terminate() {}
    },
  )
})

const get = (id: string) => document.querySelector<HTMLElement>(`[data-testid=${id}]`)!
const labels = (id: string) =>
  [...get(id).querySelectorAll('option')].map((option) => option.text.trim())

describe('the comparison of two answers', () => {
  async function open(...texts: string[]) {
    const panes = texts.map((text, index) => {
      const pane = addPane(['Fox', 'Owl'][index]!)
      happen(pane, ...answered('q', text))
      return pane
    })
    const wrapper = mount(DiffDialog, { props: { paneId: panes[0]!.id, turnId: 'turn-q' } })
    await vi.waitFor(() => expect(get('diff-summary').dataset.state).toBe('ready'))
    return { wrapper, panes }
  }

  it('marks the words that differ, for screen readers as well', async () => {
    await open('A red fox.', 'A blue fox.')
    expect(get('diff-summary').textContent!.trim()).toBe('Words removed: 1 · added: 1')
    expect(get('diff-text').querySelector('del')!.textContent).toBe('[removed: −red ]')
    expect(get('diff-text').querySelector('ins')!.textContent).toBe('[added: +blue ]')
    expect(get('diff-text').textContent).toContain('fox.')
  })

  it('shows that they are the same, or differ only in spaces', async () => {
    await open('A red fox.', 'A red fox.')
    expect(get('diff-summary').textContent!.trim()).toBe('The answers are the same.')
    expect(labels('diff-from')).toEqual(['Fox', 'Owl'])
  })

  it('swaps the two', async () => {
    const { wrapper } = await open('A red fox.', 'A blue fox.')
    document.querySelector<HTMLElement>('[aria-label="Swap the two"]')!.click()
    await vi.waitFor(() =>
      expect(get('diff-text').querySelector('del')!.textContent).toContain('blue'),
    )
    document.querySelector<HTMLElement>('.dialog-buttons button')!.click()
    expect(wrapper.emitted('close')).toHaveLength(1)
  })

  it('has all versions to choose from', async () => {
    const pane = addPane('Fox')
    happen(pane, ...answered('q', 'one'), again, delta('two'), done)
    mount(DiffDialog, { props: { paneId: pane.id, turnId: 'turn-q' } })
    await nextTick()
    expect(labels('diff-from')).toEqual(['Fox, version 1 of 2', 'Fox, version 2 of 2'])
  })
})

describe('the exact prompt of an answer', () => {
  async function open(response: () => Response) {
    const fetch = vi
      .spyOn(globalThis, 'fetch')
      .mockImplementation(() => Promise.resolve(response()))
    const pane = addPane('Fox')
    happen(pane, ...answered('q', 'a'))
    mount(PromptDialog, { props: { pane, name: 'Fox', turnId: 'turn-q' } })
    await vi.waitFor(() => expect(document.querySelector('[role=status]')).toBeNull())
    return fetch
  }

  it('shows special tokens and invisible characters', async () => {
    const prompt = '<|user|>a\u200bb'
    const fetch = await open(() => Response.json({ prompt, count: 1234, dropped_turns: 0 }))
    expect(fetch.mock.calls[0]![0]).toBe('http://fox:1/prompt')
    expect(JSON.parse(String(fetch.mock.calls[0]![1]!.body))).toMatchObject({
      messages: [{ role: 'user', content: 'q' }],
    })
    expect(get('prompt-count').textContent).toBe('1,234 tokens')
    const marks = [...get('prompt-text').querySelectorAll('mark')].map((mark) => mark.textContent)
    expect(marks).toEqual(['<|user|>', 'U+200B'])
  })

  it('shows an error, and can retry', async () => {
    const fetch = await open(() => Response.json({ error: { message: 'no' } }, { status: 503 }))
    expect(get('error').textContent).toContain('no')
    fetch.mockResolvedValue(Response.json({ prompt: 'q', count: null, dropped_turns: 0 }))
    get('retry').click()
    await vi.waitFor(() => expect(get('prompt-text').textContent).toBe('q'))
    expect(get('prompt-count').textContent).toBe('This worker does not count tokens.')
  })
})

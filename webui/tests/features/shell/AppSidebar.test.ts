// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { clear } from 'idb-keyval'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { useArena } from '../../../src/features/arena/arenaStore'
import { db, saveSession } from '../../../src/features/sessions/sessionDatabase'
import { useSession } from '../../../src/features/sessions/sessionStore'
import AppSidebar from '../../../src/features/shell/AppSidebar.vue'
import { pane, session } from '../../conversation/sample'
import { addPane, answered, happen } from '../page'
import 'fake-indexeddb/auto'

beforeEach(() => clear(db()))

const sidebar = () => mount(AppSidebar, { attachTo: document.body })

describe('the sidebar', () => {
  it('lists workers, presets and sessions', () => {
    const titles = sidebar()
      .findAll('h2')
      .map((title) => title.text())
    expect(titles).toEqual(['Workers', 'Presets', 'Sessions'])
  })

  it('starts a session with the same panes and no turns, and emits `done`', async () => {
    happen(addPane('Fox'), ...answered('q', 'A'))
    const before = useSession().id
    const wrapper = sidebar()
    await wrapper.get('[data-testid=new-session]').trigger('click')
    await vi.waitFor(() => expect(wrapper.emitted('done')).toHaveLength(1))
    expect(useSession().id).not.toBe(before)
    expect(useArena().panes.map(({ workerName }) => workerName)).toEqual(['Fox'])
    expect(useArena().hasTurns).toBe(false)
  })

  it('emits `done` when a session is opened', async () => {
    await saveSession(session('s', [pane('owl', ...answered('q', 'A'))]))
    await useSession().refresh()
    const wrapper = sidebar()
    await wrapper.get('[data-testid=session] button').trigger('click')
    await vi.waitFor(() => expect(wrapper.emitted('done')).toHaveLength(1))
    expect(useSession().id).toBe('s')
  })
})

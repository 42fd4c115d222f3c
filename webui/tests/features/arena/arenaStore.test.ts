import { describe, expect, it } from 'vitest'
import { MAX_PANES } from '../../../src/conversation/panes'
import { useArena } from '../../../src/features/arena/arenaStore'

const send = { type: 'send', turnId: 't', prompt: 'q', params: {}, system: null, at: 0 } as const

describe('arena', () => {
  it('shows nothing before it is committed', () => {
    const arena = useArena()
    const { id } = arena.addPane({ workerUrl: 'http://w:1' })!
    arena.apply(id, send)
    expect(arena.state(id).turns).toHaveLength(0)
    expect(arena.stateNow(id).turns).toHaveLength(1)
    arena.commit(id)
    expect(arena.state(id).turns).toHaveLength(1)
    expect(arena.busyIds).toEqual([id])
  })

  it('has the same worker twice with other settings', () => {
    const arena = useArena()
    const first = arena.addPane({ workerUrl: 'http://w:1', settings: { seed: 1 } })!
    const second = arena.duplicate(first.id)!
    arena.panes[1]!.settings.seed = 2
    expect(arena.panes.map(({ settings }) => settings)).toEqual([{ seed: 1 }, { seed: 2 }])
    expect(second.id).not.toBe(first.id)
  })

  it('moves, removes and restores panes', () => {
    const arena = useArena()
    const ids = ['a', 'b'].map((name) => arena.addPane({ workerUrl: `http://${name}:1` })!.id)
    expect(arena.movePane(ids[1]!, 0)).toBe(true)
    expect(arena.movePane(ids[1]!, -1)).toBe(false)
    expect(arena.movePane(ids[1]!, 2)).toBe(false)
    arena.apply(ids[0]!, send)
    const saved = arena.snapshot()
    arena.removePane(ids[0]!)
    expect(arena.panes.map(({ id }) => id)).toEqual([ids[1]])
    arena.load(saved)
    expect(arena.panes.map(({ id }) => id)).toEqual([ids[1], ids[0]])
    expect(arena.state(ids[0]!).turns[0]!.prompt).toBe('q')
  })

  it('has a last pane', () => {
    const arena = useArena()
    for (let n = 0; n < MAX_PANES; n++) expect(arena.addPane({ workerUrl: 'w' })).not.toBeNull()
    expect(arena.addPane({ workerUrl: 'w' })).toBeNull()
  })

  it('ignores events of a closed pane', () => {
    const arena = useArena()
    const { id } = arena.addPane({ workerUrl: 'w' })!
    arena.removePane(id)
    arena.apply(id, send)
    arena.commit(id)
    expect(arena.state(id).turns).toHaveLength(0)
  })
})

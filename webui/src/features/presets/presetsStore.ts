/** Holds presets: panes without their conversations, stored under a name. Never holds an API key. */
import { get, update } from 'idb-keyval'
import { defineStore } from 'pinia'
import { ref } from 'vue'
import type { Layout, Pane } from '../../conversation/panes'
import { db } from '../sessions/sessionDatabase'

export type PresetPane = Omit<Pane, 'id'>

export interface Preset {
  id: string
  name: string
  layout: Layout
  panes: PresetPane[]
}

const KEY = 'presets'

export const usePresets = defineStore('presets', () => {
  const list = ref<Preset[]>([])
  /** Why presets cannot be stored; null while they can. */
  const problem = ref<string | null>(null)

  /** Applies a change to the stored list, which another tab may have changed since it was read. */
  async function change(make: (list: Preset[]) => Preset[]): Promise<void> {
    try {
      await update<Preset[]>(KEY, (stored = []) => make(stored), db())
      await load()
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error)
    }
  }

  async function load(): Promise<void> {
    try {
      list.value = (await get<Preset[]>(KEY, db())) ?? []
      problem.value = null
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error)
    }
  }

  /** Replaces the preset of the same id, or inserts it at `at`. */
  const put = (preset: Preset, at = 0) =>
    change((stored) =>
      stored.some(({ id }) => id === preset.id)
        ? stored.map((other) => (other.id === preset.id ? preset : other))
        : stored.toSpliced(at, 0, preset),
    )
  const add = (presets: Preset[]) => change((stored) => [...presets, ...stored])
  const remove = (id: string) => change((stored) => stored.filter((other) => other.id !== id))

  return { list, problem, load, put, add, remove }
})

export function presetOf(id: string, name: string, layout: Layout, panes: Pane[]): Preset {
  return { id, name, layout, panes: panes.map(withoutConversation) }
}

/** Copies the named fields only: nothing else gets into a preset, and nothing is shared with it. */
function withoutConversation({ workerUrl, workerName, settings, system }: PresetPane): PresetPane {
  const copy = JSON.parse(JSON.stringify(settings)) as Pane['settings']
  return { workerUrl, workerName, settings: copy, system }
}

/** `Foxes`, or `Foxes (2)` if that name is taken. */
export function freeName(name: string, usedNames: string[]): string {
  let free = name
  for (let number = 2; usedNames.includes(free); number++) free = `${name} (${number})`
  return free
}

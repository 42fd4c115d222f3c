/** Panes without their conversations, kept under a name. No API key is in a preset. */
import { get, update } from 'idb-keyval'
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { db } from '../sessions/sessionDatabase'
import { MAX_PANES } from '../arena/arenaStore'
import type { Layout, Pane } from '../arena/arenaStore'
import { BadFile, readDocument } from '../../conversation/import/document'
import type { Field } from '../../conversation/import/document'

export type PresetPane = Omit<Pane, 'id'>

export interface Preset {
  id: string
  name: string
  layout: Layout
  panes: PresetPane[]
}

const KEY = 'presets'
const FORMAT = 'chatzoo-presets'
const MAX_PRESETS = 1_000
const MAX_NAME = 200

export const usePresets = defineStore('presets', () => {
  const list = ref<Preset[]>([])
  const problem = ref<string | null>(null)

  /** Other tabs may have changed it, so every change begins with what is stored. */
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
  return { id, name, layout, panes: panes.map(bare) }
}

/** Field by field and copied, so that nothing else gets in, and nothing is shared. */
function bare({ workerUrl, workerName, settings, system }: PresetPane): PresetPane {
  const copy = JSON.parse(JSON.stringify(settings)) as Pane['settings']
  return { workerUrl, workerName, settings: copy, system }
}

/** `Foxes`, or `Foxes (2)` where there is one. */
export function freeName(wanted: string, taken: string[]): string {
  let name = wanted
  for (let number = 2; taken.includes(name); number++) name = `${wanted} (${number})`
  return name
}

export function exportPresets(presets: Preset[], now: Date): string {
  const document = {
    format: FORMAT,
    version: 1,
    exported_at: now.toISOString(),
    presets: presets.map(({ name, layout, panes }) => ({
      name,
      layout,
      panes: panes.map(({ workerUrl, workerName, settings, system }) => ({
        worker: { name: workerName, url: workerUrl },
        settings,
        system: system || null,
      })),
    })),
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

/** Raises BadFile. */
export function readPresets(text: string, newId: () => string): Preset[] {
  const { file } = readDocument(text, FORMAT, [1])
  return file
    .at('presets')
    .list(MAX_PRESETS)
    .map((field) => {
      const panes = field.at('panes').list(MAX_PANES).map(readPane)
      if (!panes.length) throw new BadFile('field', field.at('panes').where)
      const layout = field.at('layout').oneOf<Layout>(['columns', 'rows'])
      return { id: newId(), name: field.at('name').text(MAX_NAME), layout, panes }
    })
}

function readPane(field: Field): PresetPane {
  return {
    workerUrl: field.at('worker').at('url').url(),
    workerName: field.at('worker').at('name').text(),
    settings: field.at('settings').settings(),
    system: field.at('system').maybe((system) => system.text()) ?? '',
  }
}

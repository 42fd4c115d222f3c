/** What a person does with presets. */
import { shallowRef } from 'vue'
import { newId, useArena } from '../arena/arenaStore'
import { exportPresets, freeName, presetOf, readPresets, usePresets } from './presetsStore'
import type { Preset } from './presetsStore'
import { download } from '../../lib/browser/download'
import { chooseFile, useFile } from '../sessions/useImportFile'
import { useComparison } from '../comparison/useComparison'
import { useI18n } from '../../locales/useI18n'
import { usePaneName } from '../workers/usePaneName'

/** The one that was deleted last, and its place. */
const removed = shallowRef<{ preset: Preset; at: number } | null>(null)

export function usePresetActions() {
  const arena = useArena()
  const presets = usePresets()
  const { show } = useComparison()
  const { read } = useFile()
  const { t } = useI18n()
  const paneName = usePaneName()

  const plain = (preset: Preset) => JSON.parse(JSON.stringify(preset)) as Preset
  const named = (name: string, except?: string) =>
    freeName(
      name,
      presets.list.filter(({ id }) => id !== except).map((other) => other.name),
    )

  /** Keeps what the panes are now; gives back its id. */
  async function save(): Promise<string> {
    const name = named(arena.panes.map(paneName).join(' · ').slice(0, 190))
    const preset = presetOf(newId(), name, arena.layout, arena.panes)
    await presets.put(preset)
    return preset.id
  }

  const replace = ({ id, name }: Preset) =>
    presets.put(presetOf(id, name, arena.layout, arena.panes))

  async function rename(preset: Preset, name: string) {
    if (name) await presets.put(plain({ ...preset, name: named(name, preset.id) }))
  }

  const open = ({ panes, layout }: Preset) => show(panes, layout)

  async function remove(preset: Preset) {
    const at = presets.list.findIndex(({ id }) => id === preset.id)
    await presets.remove(preset.id)
    removed.value = { preset: plain(preset), at }
  }

  async function bringBack() {
    const back = removed.value
    removed.value = null
    if (back) await presets.put(back.preset, back.at)
  }

  function write(list: Preset[]) {
    const now = new Date()
    const day = now.toISOString().slice(0, 10)
    download(`chatzoo-presets-${day}.json`, exportPresets(list, now))
  }

  /** What became of it, as a sentence; null: no file was chosen. */
  async function load(): Promise<{ text: string; failed: boolean } | null> {
    const file = await chooseFile()
    if (!file) return null
    let count = 0
    const problem = await read(file, async (text) => {
      const found = readPresets(text, newId)
      const taken = presets.list.map(({ name }) => name)
      for (const preset of found) {
        preset.name = freeName(preset.name, taken)
        taken.push(preset.name)
      }
      await presets.add(found)
      count = found.length
    })
    const failure = problem ?? presets.problem
    return failure
      ? { text: failure, failed: true }
      : { text: t('import.done', { count }), failed: false }
  }

  return { removed, save, replace, rename, open, remove, bringBack, write, load }
}

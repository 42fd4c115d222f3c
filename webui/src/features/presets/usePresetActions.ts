/** Actions of a person on presets: save, open, rename, delete, export and import. */
import { shallowRef } from 'vue'
import { chooseFile } from '../../lib/browser/chooseFile'
import { download } from '../../lib/browser/download'
import { newId } from '../../lib/browser/newId'
import { useI18n } from '../../locales/useI18n'
import { useArena } from '../arena/arenaStore'
import { useOpenComparison } from '../comparison/useOpenComparison'
import { useImportFile } from '../sessions/useImportFile'
import { usePaneName } from '../workers/usePaneName'
import { exportPresets, readPresets } from './presetFile'
import { freeName, presetOf, usePresets } from './presetsStore'
import type { Preset } from './presetsStore'

/** The preset that was deleted last, and its place in the list. */
const removed = shallowRef<{ preset: Preset; at: number } | null>(null)

export function usePresetActions() {
  const arena = useArena()
  const presets = usePresets()
  const { openComparison } = useOpenComparison()
  const { read } = useImportFile()
  const { t } = useI18n()
  const paneName = usePaneName()

  /** IndexedDB cannot store Vue's proxies. */
  const withoutProxies = (preset: Preset) => JSON.parse(JSON.stringify(preset)) as Preset
  const unusedName = (name: string, except?: string) =>
    freeName(
      name,
      presets.list.filter(({ id }) => id !== except).map((other) => other.name),
    )

  /** Saves the panes as a new preset. Returns its id. */
  async function save(): Promise<string> {
    const name = unusedName(arena.panes.map(paneName).join(' · ').slice(0, 190))
    const preset = presetOf(newId(), name, arena.layout, arena.panes)
    await presets.put(preset)
    return preset.id
  }

  const replace = ({ id, name }: Preset) =>
    presets.put(presetOf(id, name, arena.layout, arena.panes))

  async function rename(preset: Preset, name: string) {
    if (!name) return
    await presets.put(withoutProxies({ ...preset, name: unusedName(name, preset.id) }))
  }

  const open = ({ panes, layout }: Preset) => openComparison(panes, layout)

  async function remove(preset: Preset) {
    const at = presets.list.findIndex(({ id }) => id === preset.id)
    await presets.remove(preset.id)
    removed.value = { preset: withoutProxies(preset), at }
  }

  async function restore() {
    const last = removed.value
    removed.value = null
    if (last) await presets.put(last.preset, last.at)
  }

  function exportFile(list: Preset[]) {
    const now = new Date()
    const day = now.toISOString().slice(0, 10)
    download(`chatzoo-presets-${day}.json`, exportPresets(list, now))
  }

  /** Adds the presets of a file. Returns the result in words; null if no file was chosen. */
  async function importFile(): Promise<{ text: string; failed: boolean } | null> {
    const file = await chooseFile()
    if (!file) return null
    let count = 0
    const problem = await read(file, async (text) => {
      const imported = readPresets(text, newId)
      const names = presets.list.map(({ name }) => name)
      for (const preset of imported) {
        preset.name = freeName(preset.name, names)
        names.push(preset.name)
      }
      await presets.add(imported)
      count = imported.length
    })
    const failure = problem ?? presets.problem
    return failure
      ? { text: failure, failed: true }
      : { text: t('import.done', { count }), failed: false }
  }

  return { removed, save, replace, rename, open, remove, restore, exportFile, importFile }
}

/** Writes presets to a JSON file and reads them from one. */
import { BadFile, readDocument } from '../../conversation/import/document'
import type { DocumentField } from '../../conversation/import/document'
import { MAX_PANES } from '../../conversation/panes'
import type { Layout } from '../../conversation/panes'
import type { Preset, PresetPane } from './presetsStore'

const FORMAT = 'chatzoo-presets'
const MAX_PRESETS = 1_000
const MAX_NAME = 200

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

/** The presets of a file, with new ids. Raises BadFile. */
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

function readPane(field: DocumentField): PresetPane {
  return {
    workerUrl: field.at('worker').at('url').url(),
    workerName: field.at('worker').at('name').text(),
    settings: field.at('settings').settings(),
    system: field.at('system').maybe((system) => system.text()) ?? '',
  }
}

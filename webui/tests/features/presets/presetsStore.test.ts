import { createPinia, setActivePinia } from 'pinia'
import { describe, expect, it } from 'vitest'
import { BadFile } from '../../../src/conversation/import/document'
import { exportPresets, readPresets } from '../../../src/features/presets/presetFile'
import { freeName, presetOf, usePresets } from '../../../src/features/presets/presetsStore'
import 'fake-indexeddb/auto'

const pane = {
  id: 'p',
  workerUrl: 'http://w:1',
  workerName: 'Fox',
  settings: { temperature: 0.5, stop: ['a'] },
  system: 'be kind',
}
const preset = presetOf('1', 'Foxes', 'rows', [
  Object.assign({ ...pane }, { apiKey: 'sesame' }),
  { ...pane, settings: {}, system: '' },
])
const now = new Date(0)

describe('a file of presets', () => {
  it('restores exported presets, under new ids and without a key', () => {
    const text = exportPresets([preset], now)
    expect(readPresets(text, () => '2')).toEqual([{ ...preset, id: '2' }])
    expect(text + JSON.stringify(preset)).not.toContain('sesame')
  })

  it.each([
    ['http://w:1', 'file:///etc', 'presets[0].panes[0].worker.url'],
    ['rows', 'spiral', 'presets[0].layout'],
  ])('is refused with the place of the mistake', (good, bad, where) => {
    const text = exportPresets([preset], now).replace(good, bad)
    expect(() => readPresets(text, () => '2')).toThrow(new BadFile('field', where))
  })
})

describe('the list', () => {
  it('is stored, changed, and put back in its place', async () => {
    const presets = usePresets()
    await presets.add([preset, { ...preset, id: '2', name: 'Owls' }])
    await presets.put({ ...preset, name: 'Wolves' })
    expect(presets.list.map(({ name }) => name)).toEqual(['Wolves', 'Owls'])
    await presets.remove('2')
    await presets.put({ ...preset, id: '2', name: 'Owls' }, 1)

    setActivePinia(createPinia())
    const again = usePresets()
    await again.load()
    expect(again.list.map(({ name }) => name)).toEqual(['Wolves', 'Owls'])
    expect(again.list[0]).toEqual({ ...preset, name: 'Wolves' })
  })

  it('has each name once', () => {
    expect(freeName('a', [])).toBe('a')
    expect(freeName('a', ['a', 'a (2)'])).toBe('a (3)')
  })
})

// @vitest-environment jsdom
import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import { nextTick } from 'vue'
import SettingsPanel from '../../../src/features/settings/SettingsPanel.vue'
import { useWorkers } from '../../../src/features/workers/workersStore'
import { addPane, addWorker, info, params } from '../page'

function panel(part = {}) {
  addWorker('Fox', { params, info: info() })
  const pane = addPane('Fox', part)
  const wrapper = mount(SettingsPanel, {
    props: { pane, name: 'Fox' },
    attachTo: document.body,
  })
  const setting = (name: string) => wrapper.get(`[data-setting=${name}]`)
  return { wrapper, pane, setting }
}

describe('the settings of a pane', () => {
  it('have the controls that the schema declares', () => {
    const { setting } = panel()
    const temperature = setting('temperature')
    expect(temperature.get('label').text()).toBe('Temperature')
    expect(temperature.get('.hint').text()).toBe('How random the answer is.')
    expect(temperature.get('[type=range]').attributes()).toMatchObject({
      min: '0',
      max: '2',
      step: '0.1',
      'aria-label': 'Temperature',
    })
    expect(setting('greedy').get('[role=switch]').attributes('type')).toBe('checkbox')
    const options = setting('mode').findAll('option')
    expect(options.map((option) => option.text())).toEqual(['plain', 'strict'])
    expect(setting('stop').find('textarea').exists()).toBe(true)
    expect(setting('seed').get('input').attributes('placeholder')).toBe('none')
  })

  it('keep only values that differ from the default, each with a reset button', async () => {
    const { pane, setting } = panel()
    expect(setting('temperature').find('button').exists()).toBe(false)
    await setting('temperature').get('[type=range]').setValue('0.5')
    await setting('greedy').get('input').setValue(true)
    await setting('stop').get('textarea').setValue('END\n\nSTOP')
    await setting('stop').get('textarea').trigger('change')
    expect(pane.settings).toEqual({ temperature: 0.5, greedy: true, stop: ['END', 'STOP'] })
    const reset = setting('temperature').get('button')
    expect(reset.attributes('aria-label')).toBe('Reset Temperature')
    await reset.trigger('click')
    expect(pane.settings).toEqual({ greedy: true, stop: ['END', 'STOP'] })
  })

  it('show the problem of a value', async () => {
    const { setting } = panel({ settings: { temperature: 7, seed: 1.5 } })
    expect(setting('temperature').get('.problem').text()).toBe('Between 0 and 2.')
    expect(setting('temperature').get('[type=number]').attributes('aria-invalid')).toBe('true')
    expect(setting('seed').get('.problem').text()).toBe('Not a valid value.')
    expect(setting('mode').find('.problem').exists()).toBe(false)
  })

  it('are reset together with the system prompt', async () => {
    const { wrapper, pane } = panel({ settings: { seed: 3 }, system: 'Be kind.' })
    const system = wrapper.get<HTMLTextAreaElement>('.scroll > .field textarea')
    expect(system.element.value).toBe('Be kind.')
    await system.setValue('Be brief.')
    expect(pane.system).toBe('Be brief.')
    await wrapper.get('[data-testid=settings-reset]').trigger('click')
    expect([pane.settings, pane.system]).toEqual([{}, ''])
  })

  it('take no system prompt where the model has none', async () => {
    const { wrapper } = panel()
    const system = wrapper.get<HTMLTextAreaElement>('.scroll > .field textarea')
    expect(system.element.disabled).toBe(false)
    const capabilities = { system: false } as never
    useWorkers().find('http://fox:1')!.info = info({ capabilities })
    await nextTick()
    expect(system.element.disabled).toBe(true)
    expect(wrapper.text()).toContain('This model takes no system prompt.')
  })

  it('show a note while the schema is missing', () => {
    addWorker('Owl')
    const pane = addPane('Owl')
    const wrapper = mount(SettingsPanel, { props: { pane, name: 'Owl' } })
    expect(wrapper.text()).toContain('The settings appear when the worker answers.')
  })

  it('get the focus, and close by Escape and by their button', async () => {
    const { wrapper } = panel()
    expect(document.activeElement!.textContent).toBe('Settings')
    await wrapper.get('section').trigger('keydown', { key: 'Escape' })
    await wrapper.get('[data-testid=settings-close]').trigger('click')
    expect(wrapper.emitted('close')).toHaveLength(2)
  })
})

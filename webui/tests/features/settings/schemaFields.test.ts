import { describe, expect, it } from 'vitest'
import { ref } from 'vue'
import type { ParamsSchema, ParamValues } from '../../../src/api/wire'
import { coerce, fieldsOf, problemOf } from '../../../src/features/settings/schemaFields'
import { useSettingsForm } from '../../../src/features/settings/useSettingsForm'

/** As pydantic writes it. */
const schema: ParamsSchema = {
  title: 'Settings',
  type: 'object',
  properties: {
    temperature: {
      title: 'Temperature',
      description: 'Warmth.',
      type: 'number',
      default: 0.7,
      minimum: 0,
      maximum: 2,
      'x-control': 'slider',
      'x-step': 0.05,
    },
    top_p: { type: 'number', default: 1, exclusiveMinimum: 0, maximum: 1, 'x-control': 'slider' },
    max_new_tokens: { type: 'integer', default: 512, minimum: 1, 'x-control': 'slider' },
    seed: { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'null' }], default: null },
    mode: { enum: ['greedy', 'beam'], type: 'string', default: 'greedy' },
    beams: { enum: [1, 2, 4], type: 'integer', default: 1 },
    think: { type: 'boolean', default: true },
    note: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
    stop: { type: 'array', default: [], 'x-control': 'text' },
    secret: { type: 'integer', default: 3, 'x-control': 'hidden' },
  },
}

const field = (name: string) => fieldsOf(schema).find((entry) => entry.name === name)!

describe('fieldsOf', () => {
  it('has a control for each property but hidden ones, modes and texts before numbers', () => {
    expect(fieldsOf(schema).map(({ name, control }) => [name, control])).toEqual([
      ['mode', 'select'],
      ['beams', 'select'],
      ['think', 'switch'],
      ['note', 'text'],
      ['stop', 'text'],
      ['temperature', 'slider'],
      ['top_p', 'slider'],
      // A slider needs two ends.
      ['max_new_tokens', 'number'],
      ['seed', 'number'],
    ])
  })

  it('reads bounds, steps and whether a value may be empty', () => {
    expect(field('temperature')).toMatchObject({ min: 0, max: 2, step: 0.05, nullable: false })
    expect(field('top_p')).toMatchObject({ min: 0, openMin: true, openMax: false })
    expect(field('seed')).toMatchObject({ type: 'integer', min: 0, step: 1, nullable: true })
  })

  it('has none for a worker whose schema is missing', () => {
    expect(fieldsOf(null)).toEqual([])
  })
})

describe('coerce', () => {
  it.each([
    ['temperature', '0.25', 0.25],
    ['max_new_tokens', '', 512],
    ['seed', '', null],
    ['seed', '7', 7],
    ['beams', '4', 4],
    ['mode', 'beam', 'beam'],
    ['think', false, false],
    ['stop', 'END\n\nUser:', ['END', 'User:']],
    ['note', 'hi', 'hi'],
  ])('%s ← %j', (name, raw, expected) => {
    expect(coerce(field(name), raw)).toEqual(expected)
  })
})

describe('problemOf', () => {
  it.each([
    ['temperature', 2, null],
    ['temperature', 2.1, 'range'],
    ['top_p', 0, 'range'],
    ['max_new_tokens', 1.5, 'bad'],
    ['max_new_tokens', 'many', 'bad'],
    ['max_new_tokens', null, 'bad'],
    ['seed', null, null],
    ['seed', -1, 'range'],
  ])('%s = %j: %s', (name, value, problem) => {
    expect(problemOf(field(name), value)).toBe(problem)
  })
})

describe('useSettingsForm', () => {
  it('keeps only values that differ from the default, and resets', () => {
    const values = ref<ParamValues>({})
    const form = useSettingsForm(
      () => schema,
      values,
      (next) => (values.value = next),
    )
    const temperature = form.fields.value.find(({ name }) => name === 'temperature')!
    expect(form.valueOf(temperature)).toBe(0.7)
    form.set(temperature, '1.2')
    expect(values.value).toEqual({ temperature: 1.2 })
    expect(form.isChanged(temperature)).toBe(true)
    form.set(temperature, '0.7')
    expect(values.value).toEqual({})
    form.set(temperature, '1')
    form.reset(temperature)
    expect(values.value).toEqual({})
  })
})

/**
 * A form from a JSON schema: which controls there are, and what a value becomes.
 *
 * `fieldsOf`, `coerce` and `problemOf` are pure. Values that equal the default are not kept, so
 * that a pane sends only what a person changed.
 */
import { computed, toValue } from 'vue'
import type { MaybeRefOrGetter } from 'vue'
import type { Control, ParamSchema, ParamsSchema, ParamValues } from '../../api/wire'

export interface Field {
  name: string
  title: string
  description: string
  control: Exclude<Control, 'hidden'>
  type: 'number' | 'integer' | 'boolean' | 'string' | 'list'
  /** Empty means "not set" and is sent as null. */
  nullable: boolean
  default: unknown
  min: number | null
  max: number | null
  /** The bound itself is not allowed. */
  openMin: boolean
  openMax: boolean
  step: number | null
  options: unknown[]
}

/** Modes and texts come first: a family's own settings, which a long list of numbers would hide. */
export function fieldsOf(schema: ParamsSchema | null): Field[] {
  const fields = Object.entries(schema?.properties ?? {})
    .filter(([, property]) => property['x-control'] !== 'hidden')
    .map(([name, property]) => toField(name, property))
  const isNumber = ({ control }: Field) => control === 'slider' || control === 'number'
  return [...fields.filter((field) => !isNumber(field)), ...fields.filter(isNumber)]
}

function toField(name: string, property: ParamSchema): Field {
  const variants = property.anyOf ?? [property]
  const main = variants.find(({ type }) => type !== 'null') ?? {}
  const merged = { ...main, ...property }
  const type = typeOf(merged)
  const min = merged.minimum ?? merged.exclusiveMinimum ?? null
  const max = merged.maximum ?? merged.exclusiveMaximum ?? null
  return {
    name,
    title: property.title ?? name,
    description: property.description ?? '',
    control: controlOf(merged, type, min, max),
    type,
    nullable: variants.some((variant) => variant.type === 'null'),
    default: property.default ?? null,
    min,
    max,
    openMin: merged.minimum === undefined && merged.exclusiveMinimum !== undefined,
    openMax: merged.maximum === undefined && merged.exclusiveMaximum !== undefined,
    step: merged['x-step'] ?? (type === 'integer' ? 1 : null),
    options: merged.enum ?? [],
  }
}

function typeOf({ type, enum: options }: ParamSchema): Field['type'] {
  if (type === 'array') return 'list'
  if (type === 'number' || type === 'integer' || type === 'boolean') return type
  return options?.every((option) => typeof option === 'number') ? 'number' : 'string'
}

function controlOf(
  property: ParamSchema,
  type: Field['type'],
  min: number | null,
  max: number | null,
): Field['control'] {
  const asked = property['x-control']
  if (asked === 'slider' && (min === null || max === null)) return 'number'
  if (asked && asked !== 'hidden') return asked
  if (property.enum) return 'select'
  if (type === 'boolean') return 'switch'
  if (type === 'number' || type === 'integer') return 'number'
  return 'text'
}

/** What a control gives (text, number, boolean) as the value that is sent. */
export function coerce(field: Field, raw: unknown): unknown {
  if (raw === '' || raw === null || raw === undefined) return field.nullable ? null : field.default
  if (field.control === 'select') {
    return field.options.find((option) => String(option) === String(raw)) ?? raw
  }
  switch (field.type) {
    case 'boolean':
      return Boolean(raw)
    case 'number':
    case 'integer': {
      const value = Number(raw)
      return Number.isFinite(value) ? value : raw
    }
    case 'list':
      if (Array.isArray(raw)) return raw
      return String(raw)
        .split('\n')
        .filter((line) => line !== '')
    default:
      return String(raw)
  }
}

export type Problem = 'bad' | 'range' | null

export function problemOf(field: Field, value: unknown): Problem {
  if (value === null || value === undefined) {
    return field.nullable || field.default === null ? null : 'bad'
  }
  if (field.type !== 'number' && field.type !== 'integer') return null
  if (typeof value !== 'number') return 'bad'
  if (field.type === 'integer' && !Number.isInteger(value)) return 'bad'
  const { min, max, openMin, openMax } = field
  if (min !== null && (value < min || (openMin && value === min))) return 'range'
  if (max !== null && (value > max || (openMax && value === max))) return 'range'
  return null
}

export function withValue(field: Field, values: ParamValues, value: unknown): ParamValues {
  const rest = Object.fromEntries(Object.entries(values).filter(([name]) => name !== field.name))
  return same(value, field.default) ? rest : { ...rest, [field.name]: value }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null)

export function useSettingsForm(
  schema: MaybeRefOrGetter<ParamsSchema | null>,
  values: MaybeRefOrGetter<ParamValues>,
  change: (values: ParamValues) => void,
) {
  const fields = computed(() => fieldsOf(toValue(schema)))
  const valueOf = (field: Field) => {
    const current = toValue(values)
    return field.name in current ? current[field.name] : field.default
  }
  return {
    fields,
    valueOf,
    isChanged: (field: Field) => field.name in toValue(values),
    problem: (field: Field) => problemOf(field, valueOf(field)),
    set: (field: Field, raw: unknown) =>
      change(withValue(field, toValue(values), coerce(field, raw))),
    reset: (field: Field) => change(withValue(field, toValue(values), field.default)),
  }
}

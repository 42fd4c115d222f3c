/**
 * Converts the JSON schema of a worker's settings into fields of a form, and form input into values.
 *
 * Pure: no state and no components.
 */
import type { Control, ParamSchema, ParamsSchema, ParamValues } from '../../api/wire'

export interface Field {
  name: string
  title: string
  description: string
  control: Exclude<Control, 'hidden'>
  type: 'number' | 'integer' | 'boolean' | 'string' | 'list'
  /** Whether an empty control means "not set", which is sent as null. */
  nullable: boolean
  default: unknown
  min: number | null
  max: number | null
  /** Whether the bound itself is not allowed. */
  openMin: boolean
  openMax: boolean
  step: number | null
  options: unknown[]
}

/**
 * The fields of a schema. Modes and texts come first: these are settings of a model family, and the
 * long list of sampling numbers would hide them.
 */
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
  const declared = property['x-control']
  if (declared === 'slider' && (min === null || max === null)) return 'number'
  if (declared && declared !== 'hidden') return declared
  if (property.enum) return 'select'
  if (type === 'boolean') return 'switch'
  if (type === 'number' || type === 'integer') return 'number'
  return 'text'
}

/** The value to send for what a control gives (text, number or boolean). */
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

/** `bad`: not a value of the field's type; `range`: outside of its bounds. */
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

/**
 * The values with one of them set. A value that equals the default is removed, so a request carries
 * only what a person changed and follows the worker's defaults otherwise.
 */
export function withValue(field: Field, values: ParamValues, value: unknown): ParamValues {
  const rest = Object.fromEntries(Object.entries(values).filter(([name]) => name !== field.name))
  return same(value, field.default) ? rest : { ...rest, [field.name]: value }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null)

/** Connects a pane's settings with the fields of its worker's settings schema. */
import { computed, toValue } from 'vue'
import type { MaybeRefOrGetter } from 'vue'
import type { ParamsSchema, ParamValues } from '../../api/wire'
import { coerce, fieldsOf, problemOf, withValue } from './schemaFields'
import type { Field } from './schemaFields'

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

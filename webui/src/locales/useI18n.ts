/**
 * Gives the page's sentences, numbers and durations in the chosen language.
 *
 * The language is set by the preferences. Only its sentences are fetched; until another language has
 * arrived, the sentences of the one before are shown.
 */
import { computed, ref, shallowReactive } from 'vue'
import type en from './en.json'

export type Language = 'en' | 'zh-CN'
export type MessageKey = keyof typeof en

const sources = {
  en: () => import('./en.json'),
  'zh-CN': () => import('./zh-CN.json'),
}
const language = ref<Language>('en')
const messages = shallowReactive<Partial<Record<Language, Record<MessageKey, string>>>>({})

/** Fetches the sentences of a language. The first `t` needs one language to be there. */
export async function loadLanguage(language: Language): Promise<void> {
  messages[language] ??= (await sources[language]()).default
}

export function useI18n() {
  const shown = computed(() => messages[language.value] ?? Object.values(messages)[0]!)

  /** The sentence of a key, with `{name}` replaced by the value of that name. Reactive. */
  function t(key: MessageKey, values: Record<string, string | number> = {}): string {
    return shown.value[key].replace(/\{(\w+)\}/g, (whole: string, name: string) =>
      name in values ? String(values[name]) : whole,
    )
  }

  /** The sentence of a key that may not exist, such as an error code of another program. */
  function maybe(key: string, values?: Record<string, string | number>): string | null {
    return key in shown.value ? t(key as MessageKey, values) : null
  }

  const number = (value: number, digits = 0) => formatOf(language.value, digits).format(value)

  const duration = (ms: number) =>
    ms < 1000 ? `${Math.round(ms)} ms` : `${number(ms / 1000, ms < 10_000 ? 2 : 1)} s`

  return { t, maybe, number, duration, language }
}

const formats = new Map<string, Intl.NumberFormat>()

/** Kept: constructing a format takes far longer than using it, and every answer has several figures. */
function formatOf(language: Language, maximumFractionDigits: number): Intl.NumberFormat {
  const key = `${language} ${maximumFractionDigits}`
  const known = formats.get(key) ?? new Intl.NumberFormat(language, { maximumFractionDigits })
  formats.set(key, known)
  return known
}

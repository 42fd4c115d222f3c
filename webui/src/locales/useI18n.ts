/**
 * Messages in the chosen language. `t` is reactive; numbers and times follow the language too.
 *
 * Only the chosen language is fetched. Until another one has come, the one before stays.
 */
import { computed, shallowReactive } from 'vue'
import type en from './en.json'
import { usePreferences } from '../features/preferences/preferencesStore'
import type { Language } from '../features/preferences/preferencesStore'

export type MessageKey = keyof typeof en

const sources = {
  en: () => import('./en.json'),
  'zh-CN': () => import('./zh-CN.json'),
}
const messages = shallowReactive<Partial<Record<Language, Record<MessageKey, string>>>>({})

/** To be awaited before the first `t`. */
export async function loadLanguage(language: Language): Promise<void> {
  messages[language] ??= (await sources[language]()).default
}

export function useI18n() {
  const prefs = usePreferences()
  const language = computed(() => prefs.language)
  const shown = computed(() => messages[prefs.language] ?? Object.values(messages)[0]!)

  function t(key: MessageKey, values: Record<string, string | number> = {}): string {
    return shown.value[key].replace(/\{(\w+)\}/g, (whole: string, name: string) =>
      name in values ? String(values[name]) : whole,
    )
  }

  /** A message that may not exist, as for error codes that a worker invents. */
  function maybe(key: string, values?: Record<string, string | number>): string | null {
    return key in shown.value ? t(key as MessageKey, values) : null
  }

  const number = (value: number, digits = 0) => formatOf(prefs.language, digits).format(value)

  const duration = (ms: number) =>
    ms < 1000 ? `${Math.round(ms)} ms` : `${number(ms / 1000, ms < 10_000 ? 2 : 1)} s`

  return { t, maybe, number, duration, language }
}

const formats = new Map<string, Intl.NumberFormat>()

/** To make one takes many times as long as to use it. */
function formatOf(language: Language, maximumFractionDigits: number): Intl.NumberFormat {
  const key = `${language} ${maximumFractionDigits}`
  const made = formats.get(key) ?? new Intl.NumberFormat(language, { maximumFractionDigits })
  formats.set(key, made)
  return made
}

/** Messages in the chosen language. `t` is reactive; numbers and times follow the language too. */
import { computed } from 'vue'
import en from '../locales/en.json'
import zh from '../locales/zh-CN.json'
import { usePrefs } from '../stores/prefs'
import type { Language } from '../stores/prefs'

export type MessageKey = keyof typeof en

const messages: Record<Language, Record<MessageKey, string>> = { en, 'zh-CN': zh }

export function useI18n() {
  const prefs = usePrefs()
  const language = computed(() => prefs.language)

  function t(key: MessageKey, values: Record<string, string | number> = {}): string {
    return messages[prefs.language][key].replace(/\{(\w+)\}/g, (whole, name: string) =>
      name in values ? String(values[name]) : whole,
    )
  }

  /** A message that may not exist, as for error codes that a worker invents. */
  function maybe(key: string, values?: Record<string, string | number>): string | null {
    return key in en ? t(key as MessageKey, values) : null
  }

  const number = (value: number, digits = 0) =>
    new Intl.NumberFormat(prefs.language, { maximumFractionDigits: digits }).format(value)

  const duration = (ms: number) =>
    ms < 1000 ? `${Math.round(ms)} ms` : `${number(ms / 1000, ms < 10_000 ? 2 : 1)} s`

  return { t, maybe, number, duration, language }
}

/** Holds theme, language, sidebar and shortcuts, and keeps them in localStorage. */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { readLocal, writeLocal } from '../../lib/browser/storage'
import { useI18n } from '../../locales/useI18n'
import type { Language } from '../../locales/useI18n'

export type Theme = 'system' | 'light' | 'dark'

export const usePreferences = defineStore('preferences', () => {
  const theme = ref<Theme>(oneOf(readLocal('theme'), ['system', 'light', 'dark']) ?? 'system')
  const { language } = useI18n()
  language.value = oneOf(readLocal('language'), ['en', 'zh-CN']) ?? preferredLanguage()
  const sidebar = ref(readLocal('sidebar') !== false)
  const shortcuts = ref(readLocal('shortcuts') !== false)

  watch(theme, (value) => writeLocal('theme', value))
  watch(language, (value) => writeLocal('language', value))
  watch(sidebar, (value) => writeLocal('sidebar', value))
  watch(shortcuts, (value) => writeLocal('shortcuts', value))
  return { theme, language, sidebar, shortcuts }
})

function oneOf<T extends string>(value: unknown, known: readonly T[]): T | null {
  return known.find((entry) => entry === value) ?? null
}

/** The first of the browser's languages that the page has. */
function preferredLanguage(): Language {
  const first = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? 'en'
  return /^zh/i.test(first) ? 'zh-CN' : 'en'
}

/** Theme, language, sidebar and shortcuts: the choices that outlive a session. Kept in localStorage. */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { readLocal, writeLocal } from '../../lib/browser/storage'

export type Theme = 'system' | 'light' | 'dark'
export type Language = 'en' | 'zh-CN'

export const usePreferences = defineStore('prefs', () => {
  const theme = ref<Theme>(oneOf(readLocal('theme'), ['system', 'light', 'dark']) ?? 'system')
  const language = ref<Language>(oneOf(readLocal('language'), ['en', 'zh-CN']) ?? preferred())
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

function preferred(): Language {
  const first = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? 'en'
  return /^zh/i.test(first) ? 'zh-CN' : 'en'
}

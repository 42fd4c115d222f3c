/** Puts theme and language on the document, where CSS and screen readers look for them. */
import { watch, watchEffect } from 'vue'
import { usePreferences } from './preferencesStore'
import { loadLanguage } from '../../locales/useI18n'

export function useTheme() {
  const prefs = usePreferences()
  watch(() => prefs.language, loadLanguage)
  watchEffect(() => {
    const root = document.documentElement
    root.lang = prefs.language
    if (prefs.theme === 'system') delete root.dataset.theme
    else root.dataset.theme = prefs.theme
  })
}

/** Puts theme and language on the document element, where CSS and screen readers read them. */
import { watch, watchEffect } from 'vue'
import { loadLanguage } from '../../locales/useI18n'
import { usePreferences } from './preferencesStore'

export function useDocumentTheme() {
  const preferences = usePreferences()
  watch(() => preferences.language, loadLanguage)
  watchEffect(() => {
    const root = document.documentElement
    root.lang = preferences.language
    if (preferences.theme === 'system') delete root.dataset.theme
    else root.dataset.theme = preferences.theme
  })
}

/** Puts theme and language on the document, where CSS and screen readers look for them. */
import { watchEffect } from 'vue'
import { usePrefs } from '../stores/prefs'

export function useTheme() {
  const prefs = usePrefs()
  watchEffect(() => {
    const root = document.documentElement
    root.lang = prefs.language
    if (prefs.theme === 'system') delete root.dataset.theme
    else root.dataset.theme = prefs.theme
  })
}

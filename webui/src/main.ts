import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { usePreferences } from './features/preferences/preferencesStore'
import { loadLanguage } from './locales/useI18n'
import './styles/base.css'

const pinia = createPinia()
void loadLanguage(usePreferences(pinia).language).then(() =>
  createApp(App).use(pinia).mount('#app'),
)

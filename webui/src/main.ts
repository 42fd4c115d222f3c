import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { loadLanguage } from './composables/useI18n'
import { usePrefs } from './stores/prefs'
import './styles/base.css'

const pinia = createPinia()
void loadLanguage(usePrefs(pinia).language).then(() => createApp(App).use(pinia).mount('#app'))

/** The page waits for its language before it shows anything; so do the tests. */
import { loadLanguage } from '../src/locales/useI18n'

await Promise.all([loadLanguage('en'), loadLanguage('zh-CN')])

/** Copies text to the clipboard, also without the clipboard API (plain http on a LAN address). */
import { ref } from 'vue'
import { useI18n } from '../locales/useI18n'
import { useAnnouncer } from './useAnnouncer'

export function useCopy() {
  const copied = ref(false)
  const { announce } = useAnnouncer()
  const { t } = useI18n()

  /** Returns false if the browser did not permit it. */
  async function copy(text: string): Promise<boolean> {
    const done = navigator.clipboard
      ? await navigator.clipboard.writeText(text).then(
          () => true,
          () => copyBySelection(text),
        )
      : copyBySelection(text)
    if (!done) return false
    announce(t('live.copied'))
    copied.value = true
    setTimeout(() => (copied.value = false), 1500)
    return true
  }

  return { copied, copy }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.style.cssText = 'position:fixed;opacity:0'
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  return done
}

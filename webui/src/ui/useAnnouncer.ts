/** What a screen reader is told: that an answer began or ended, never its tokens. */
import { ref } from 'vue'

/** Panes end at nearly the same time; with room for one sentence only, the others would be lost. */
const KEPT = 8

const messages = ref<{ id: number; text: string }[]>([])
let count = 0

export function useAnnouncer() {
  function announce(text: string) {
    messages.value = [...messages.value, { id: ++count, text }].slice(-KEPT)
  }
  return { messages, announce }
}

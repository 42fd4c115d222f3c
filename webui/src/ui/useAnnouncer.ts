/**
 * Announces events to screen readers: that an answer begins or ends, never its tokens.
 *
 * LiveRegion.vue shows the messages where only screen readers find them.
 */
import { ref } from 'vue'

/** Several panes may end at once; with one message only, the others would be lost. */
const KEPT = 8

const messages = ref<{ id: number; text: string }[]>([])
let count = 0

export function useAnnouncer() {
  function announce(text: string) {
    messages.value = [...messages.value, { id: ++count, text }].slice(-KEPT)
  }
  return { messages, announce }
}

/** What a screen reader is told: that an answer began or ended, never its tokens. */
import { ref } from 'vue'

const message = ref('')

export function useLive() {
  function announce(text: string) {
    // The same sentence twice would not be read again without a change between.
    message.value = message.value === text ? `${text}\u00a0` : text
  }
  return { message, announce }
}

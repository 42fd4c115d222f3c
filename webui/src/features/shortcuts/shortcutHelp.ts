/** Whether the list of keyboard shortcuts is open. */
import { ref } from 'vue'

const open = ref(false)

export const useShortcutHelp = () => open

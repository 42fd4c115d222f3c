/** Whether the list of shortcuts is shown. */
import { ref } from 'vue'

const open = ref(false)

export const useShortcutHelp = () => open

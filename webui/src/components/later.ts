/**
 * Parts that are not among what the page loads at once: they stand beside the panes, or nobody
 * sees them before a click or a first prompt. They are fetched when the page is shown, so that a
 * click finds them there.
 */
import { defineAsyncComponent } from 'vue'

const parts = {
  sidebar: () => import('./layout/AppSidebar.vue'),
  empty: () => import('./arena/EmptyState.vue'),
  turn: () => import('./chat/TurnView.vue'),
  drawer: () => import('./layout/OpenDrawer.vue'),
  settings: () => import('./settings/SettingsPanel.vue'),
  workerDialog: () => import('./arena/WorkerDialog.vue'),
}

export const OpenDrawer = defineAsyncComponent(parts.drawer)
export const AppSidebar = defineAsyncComponent(parts.sidebar)
export const EmptyState = defineAsyncComponent(parts.empty)
export const TurnView = defineAsyncComponent(parts.turn)
export const SettingsPanel = defineAsyncComponent(parts.settings)
export const WorkerDialog = defineAsyncComponent(parts.workerDialog)

export function loadParts() {
  // What fails here fails again, and is reported, when it is needed.
  for (const load of Object.values(parts)) void load().catch(() => undefined)
}

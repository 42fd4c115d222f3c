/**
 * Parts that are not among what the page loads at once: they stand beside the panes, or nobody
 * sees them before a click or a first prompt. They are fetched when the page is shown, so that a
 * click finds them there.
 */
import { defineAsyncComponent } from 'vue'
import { loadReader } from '../api/client'

const parts = {
  sidebar: () => import('./layout/AppSidebar.vue'),
  empty: () => import('./arena/EmptyState.vue'),
  pane: () => import('./arena/ChatPane.vue'),
  turn: () => import('./chat/TurnView.vue'),
  drawer: () => import('./layout/OpenDrawer.vue'),
  copyLink: () => import('./layout/CopyLink.vue'),
  settings: () => import('./settings/SettingsPanel.vue'),
  shortcuts: () => import('./layout/ShortcutsDialog.vue'),
  keys: () => import('../composables/useShortcuts'),
  panes: () => import('../composables/usePanes'),
  divider: () => import('./arena/PaneDivider.vue'),
  pager: () => import('./arena/PanePager.vue'),
  paneMenu: () => import('./arena/PaneMenu.vue'),
  summary: () => import('./arena/SummaryBar.vue'),
  difference: () => import('./chat/DiffDialog.vue'),
  prompt: () => import('./chat/PromptDialog.vue'),
  workerDialog: () => import('./arena/WorkerDialog.vue'),
}

export const OpenDrawer = defineAsyncComponent(parts.drawer)
export const AppSidebar = defineAsyncComponent(parts.sidebar)
export const EmptyState = defineAsyncComponent(parts.empty)
export const ChatPane = defineAsyncComponent(parts.pane)
export const TurnView = defineAsyncComponent(parts.turn)
export const CopyLink = defineAsyncComponent(parts.copyLink)
export const SettingsPanel = defineAsyncComponent(parts.settings)
export const PaneDivider = defineAsyncComponent(parts.divider)
export const PaneMenu = defineAsyncComponent(parts.paneMenu)
export const PanePager = defineAsyncComponent(parts.pager)
export const ShortcutsDialog = defineAsyncComponent(parts.shortcuts)
export const WorkerDialog = defineAsyncComponent(parts.workerDialog)

export const loadPanes = parts.panes
export const loadShortcuts = parts.keys
export const SummaryBar = defineAsyncComponent(parts.summary)
export const DiffDialog = defineAsyncComponent(parts.difference)
export const PromptDialog = defineAsyncComponent(parts.prompt)

/** Menus and buttons that copy whole conversations ask for it. */
export const loadCopying = () => import('../composables/copyConversations')

export function loadParts() {
  void loadReader().catch(() => undefined)
  // What fails here fails again, and is reported, when it is needed.
  for (const load of [...Object.values(parts), loadCopying]) void load().catch(() => undefined)
}

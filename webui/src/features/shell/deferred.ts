/**
 * Components that are loaded after the page has appeared.
 *
 * They are not needed to type a prompt, or appear after a click only. All of them are in one file
 * (deferredParts.ts), which is fetched once the page is shown: that is one request, and the weight
 * before the first message stays small.
 */
import { defineAsyncComponent } from 'vue'
import type { Component } from 'vue'

type Parts = typeof import('./deferredParts')

export const loadParts = () => import('./deferredParts')

export const AppSidebar = deferred((parts) => parts.AppSidebar)
export const CopyLinkButton = deferred((parts) => parts.CopyLinkButton)
export const NoPanes = deferred((parts) => parts.NoPanes)
export const SidebarDrawer = deferred((parts) => parts.SidebarDrawer)
export const PaneGrid = deferred((parts) => parts.PaneGrid)
export const ShortcutsDialog = deferred((parts) => parts.ShortcutsDialog)
export const SummaryBar = deferred((parts) => parts.SummaryBar)

function deferred<Part extends Component>(pick: (parts: Parts) => Part): Part {
  return defineAsyncComponent(async () => pick(await loadParts())) as Part
}

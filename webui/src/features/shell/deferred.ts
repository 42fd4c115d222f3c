/**
 * Parts that are not among what the page loads at once: they stand beside the prompt, or nobody
 * sees them before a click. They come in one file, which is fetched when the page is shown.
 */
import { defineAsyncComponent } from 'vue'
import type { Component } from 'vue'

type Parts = typeof import('./deferredParts')

export const loadParts = () => import('./deferredParts')

export const AppSidebar = later((parts) => parts.AppSidebar)
export const CopyLinkButton = later((parts) => parts.CopyLinkButton)
export const NoPanes = later((parts) => parts.NoPanes)
export const SidebarDrawer = later((parts) => parts.SidebarDrawer)
export const PaneGrid = later((parts) => parts.PaneGrid)
export const ShortcutsDialog = later((parts) => parts.ShortcutsDialog)
export const SummaryBar = later((parts) => parts.SummaryBar)

function later<Part extends Component>(pick: (parts: Parts) => Part): Part {
  return defineAsyncComponent(async () => pick(await loadParts())) as Part
}

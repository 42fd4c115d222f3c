/**
 * Parts that are not among what the page loads at once: they stand beside the prompt, or nobody
 * sees them before a click. They come in one file, which is fetched when the page is shown.
 */
import { defineAsyncComponent } from 'vue'
import type { Component } from 'vue'

type Parts = typeof import('./parts')

export const loadParts = () => import('./parts')

export const AppSidebar = later((parts) => parts.AppSidebar)
export const CopyLink = later((parts) => parts.CopyLink)
export const EmptyState = later((parts) => parts.EmptyState)
export const OpenDrawer = later((parts) => parts.OpenDrawer)
export const PaneGrid = later((parts) => parts.PaneGrid)
export const ShortcutsDialog = later((parts) => parts.ShortcutsDialog)
export const SummaryBar = later((parts) => parts.SummaryBar)

function later<Part extends Component>(pick: (parts: Parts) => Part): Part {
  return defineAsyncComponent(async () => pick(await loadParts())) as Part
}

/** Loads the Markdown libraries at first use; they are more than half of the page's weight. */
let loading: Promise<typeof import('../../lib/markdown/view')> | null = null

export function loadMarkdown() {
  return (loading ??= import('../../lib/markdown/view'))
}

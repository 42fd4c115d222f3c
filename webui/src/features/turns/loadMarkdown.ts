/** The Markdown libraries are four fifths of the page's weight; they come when they are needed. */
let loading: Promise<typeof import('../../lib/markdown/view')> | null = null

export function loadMarkdown() {
  return (loading ??= import('../../lib/markdown/view'))
}

/**
 * Renders an answer while it grows, and again whole when it has ended.
 *
 * Keeps the HTML of finished blocks, parses from the last stable place only, and renders again
 * nothing but the block that is still being written.
 */
import { finishedCount, hasReferences, splitBlocks } from './blocks'
import { md } from './parser'
import type { Labels } from './parser'
import { referencesOf, renderMarkdown } from './render'

export class MarkdownStream {
  private text = ''
  /** Where the first block begins that may still change. */
  private stable = 0
  private finished: string[] = []
  private readonly cache = new Map<string, string>()

  constructor(private readonly labels: Labels) {}

  /** HTML of each block. `text` is the whole answer so far; `ended` that no more will come. */
  update(text: string, ended: boolean): string[] {
    if (ended) return this.whole(text)
    if (!text.startsWith(this.text)) this.reset()
    this.text = text
    const blocks = splitBlocks(md, text.slice(this.stable))
    const count = finishedCount(blocks)
    for (const block of blocks.slice(0, count)) {
      this.finished.push(this.block(block.source))
      this.stable += block.source.length
    }
    const rest = blocks
      .slice(count)
      .map(({ source, openFence }, index, all) =>
        index < all.length - 1 ? this.block(source) : this.growing(source, openFence),
      )
    return [...this.finished, ...rest]
  }

  private growing(source: string, openFence: boolean): string {
    const closedFence = !openFence && isFence(source)
    return closedFence ? this.block(source) : this.plain(source)
  }

  private plain(source: string): string {
    return renderMarkdown(source, { labels: this.labels, highlight: false })
  }

  private whole(text: string): string[] {
    const references = hasReferences(text) ? referencesOf(text) : undefined
    return splitBlocks(md, text).map(({ source }) =>
      references
        ? renderMarkdown(source, { labels: this.labels, references: { ...references } })
        : this.block(source),
    )
  }

  private block(source: string): string {
    let html = this.cache.get(source)
    if (html === undefined) {
      html = renderMarkdown(source, { labels: this.labels })
      this.cache.set(source, html)
    }
    return html
  }

  private reset() {
    this.stable = 0
    this.finished = []
  }
}

/** A list that holds a fence may still grow; only a fence of its own is known to be complete. */
function isFence(source: string): boolean {
  return /^\s{0,3}(```|~~~)/.test(source)
}

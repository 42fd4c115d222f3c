/**
 * Shows an answer while it grows, and again whole when it has ended.
 *
 * Finished blocks stay as they are: text is read from the last stable place only, and nothing but
 * what is still being written is rendered again. Blocks lie in parts, of which those that the end
 * has left behind cost neither layout nor painting while they are out of sight. Where blocks are in
 * sight, to let the browser find that out would cost more than it saves.
 */
import { finishedCount, hasReferences, splitBlocks } from './blocks'
import type { Block } from './blocks'
import { md } from './parser'
import type { Labels } from './parser'
import { referencesOf, renderMarkdown } from './render'

const BLOCKS_IN_A_PART = 8
const PARTS_AT_THE_END = 3

interface Shown {
  element: HTMLElement
  /** What it was made of, and how: the same gives the same again. */
  key: string
}

interface Whole {
  text: string
  /** Of another number, other links may be meant. */
  number: number
  blocks: Block[]
  references: Record<string, unknown> | undefined
  /** The next block to be shown. */
  next: number
}

export class MarkdownView {
  private text = ''
  /** Whether all of `text` is shown. */
  private complete = false
  /** Where the first block begins that may still change, and how many are before it. */
  private stable = 0
  private finished = 0
  private whole: Whole | null = null
  private wholes = 0
  private readonly shown: Shown[] = []

  constructor(
    private readonly root: HTMLElement,
    private readonly labels: Labels,
  ) {}

  /**
   * Shows `text`, the whole answer so far; `ended` says that no more will come. Returns false
   * where `isLate` stopped it before the end: calling again goes on from there.
   */
  show(text: string, ended: boolean, isLate: () => boolean = () => false): boolean {
    if (!ended) return this.grow(text, false, isLate)
    const isShown = this.whole?.text === text || (this.complete && this.text === text)
    // The last words come first: they need not wait until everything is read again.
    if (!isShown && !hasReferences(text)) {
      if (!this.grow(text, true, isLate) || isLate()) return false
    }
    return this.showWhole(text, isLate)
  }

  private grow(text: string, ended: boolean, isLate: () => boolean): boolean {
    this.whole = null
    if (!text.startsWith(this.text)) this.startAgain()
    this.text = text
    this.complete = false
    const blocks = splitBlocks(md, text.slice(this.stable))
    const finished = finishedCount(blocks)
    const first = this.finished
    let some = false
    for (const [index, { source, openFence }] of blocks.entries()) {
      if (some && isLate()) return false
      const closed = ended || index < blocks.length - 1 || (isFence(source) && !openFence)
      some = this.place(first + index, source, closed) || some
      if (index < finished) {
        this.finished++
        this.stable += source.length
      }
    }
    this.cutAfter(first + blocks.length)
    this.complete = true
    return true
  }

  private showWhole(text: string, isLate: () => boolean): boolean {
    if (this.whole?.text !== text) {
      const references = hasReferences(text) ? referencesOf(text) : undefined
      const blocks = splitBlocks(md, text)
      this.whole = { text, number: this.wholes++, blocks, references, next: 0 }
      this.startAgain()
    }
    const { whole } = this
    let some = false
    while (whole.next < whole.blocks.length) {
      if (some && isLate()) return false
      some = this.place(whole.next, whole.blocks[whole.next]!.source, true) || some
      whole.next++
    }
    this.cutAfter(whole.blocks.length)
    return true
  }

  /** Returns whether there was something to do. */
  private place(index: number, source: string, closed: boolean): boolean {
    const references = this.whole?.references
    const key = references ? `${this.whole!.number}\0${source}` : keyOf(source, closed)
    const old = this.shown[index]
    if (old?.key === key) return false
    const element = old?.element ?? this.add()
    element.replaceChildren(
      renderMarkdown(source, {
        labels: this.labels,
        highlight: closed,
        ...(references && { references: { ...references } }),
      }),
    )
    this.shown[index] = { element, key }
    return true
  }

  private add(): HTMLElement {
    const { children } = this.root
    if (this.shown.length >= children.length * BLOCKS_IN_A_PART) {
      const part = document.createElement('div')
      part.className = 'part'
      this.root.append(part)
      children[children.length - 1 - PARTS_AT_THE_END]?.classList.add('past')
    }
    const element = document.createElement('div')
    element.dir = 'auto'
    this.root.lastElementChild!.append(element)
    return element
  }

  private cutAfter(count: number) {
    if (count >= this.shown.length) return
    for (const { element } of this.shown.splice(count)) element.remove()
    for (const part of [...this.root.children]) if (!part.hasChildNodes()) part.remove()
    for (const part of [...this.root.children].slice(-PARTS_AT_THE_END)) {
      part.classList.remove('past')
    }
  }

  private startAgain() {
    this.text = ''
    this.complete = false
    this.stable = this.finished = 0
  }
}

/** Code is highlighted once it is closed; all else is the same when only white space follows. */
function keyOf(source: string, closed: boolean): string {
  return /```|~~~/.test(source) ? `${closed}\0${source}` : source.trimEnd()
}

/** A list that holds a fence may still grow; only a fence of its own is known to be complete. */
function isFence(source: string): boolean {
  return /^\s{0,3}(```|~~~)/.test(source)
}

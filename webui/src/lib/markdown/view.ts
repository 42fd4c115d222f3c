/**
 * Shows an answer while it grows, and once more as a whole when it has ended.
 *
 * While it grows, only the end of the text is parsed and rendered. The text is cut into blocks
 * (blocks.ts); a finished block can no longer change when text is appended, so its nodes stay, and
 * parsing starts behind the last finished block (`stable`). A token therefore costs the same at the
 * end of a long answer as at its beginning.
 *
 * When the answer has ended, the text is split once more as a whole, because some Markdown reads
 * differently in the context of the whole text, link references above all. Blocks that come out the
 * same (compared by `key`) are not rendered again.
 *
 * Blocks lie in parts of 8 elements. Parts that are not among the last 3 get the class `past`, by
 * which the browser skips their layout and paint while they are out of sight. The last parts are
 * usually in sight, and checking them would cost the browser more than it saves.
 */
import { finishedCount, hasReferences, splitBlocks } from './blocks'
import type { Block } from './blocks'
import { md } from './parser'
import type { Labels } from './parser'
import { referencesOf, renderMarkdown } from './render'

const BLOCKS_IN_A_PART = 8
/** Parts at the end without `past`: 24 blocks usually fill more than a screen. */
const PARTS_AT_THE_END = 3

interface Shown {
  element: HTMLElement
  /** Source and kind of rendering; an equal key means equal nodes. */
  key: string
}

/** The rendering of an ended answer, which may take several frames. */
interface Whole {
  text: string
  /** Part of the keys of texts with references, where equal blocks may have other links. */
  number: number
  blocks: Block[]
  references: Record<string, unknown> | undefined
  /** Index of the block to render next. */
  next: number
}

export class MarkdownView {
  /** The text that was shown last. */
  private text = ''
  /** Whether all of `text` has been rendered. */
  private complete = false
  /** Offset of the first block that may still change, and the number of blocks before it. */
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
   * Shows `text`, the whole answer so far; `ended` means that nothing will be added. Returns false
   * if `isLate` stopped the work before its end; another call with the same text continues it. At
   * least one block is rendered in each call, so the work always comes to its end.
   */
  show(text: string, ended: boolean, isLate: () => boolean = () => false): boolean {
    if (!ended) return this.grow(text, false, isLate)
    const isShown = this.whole?.text === text || (this.complete && this.text === text)
    // The last words are shown first, before the whole text is parsed again. Not with references:
    // then every block has another key and is rendered again below anyway.
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
    let rendered = false
    for (const [index, { source, openFence }] of blocks.entries()) {
      if (rendered && isLate()) return false
      const closed = ended || index < blocks.length - 1 || (isFence(source) && !openFence)
      rendered = this.place(first + index, source, closed) || rendered
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
    let rendered = false
    while (whole.next < whole.blocks.length) {
      if (rendered && isLate()) return false
      rendered = this.place(whole.next, whole.blocks[whole.next]!.source, true) || rendered
      whole.next++
    }
    this.cutAfter(whole.blocks.length)
    return true
  }

  /** Renders a block in its place. Returns false if it is there already. */
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

/**
 * Blocks with a fence depend on `closed`, as code is highlighted once it is closed. All others render
 * the same whatever white space follows, so that does not belong to their key.
 */
function keyOf(source: string, closed: boolean): string {
  return /```|~~~/.test(source) ? `${closed}\0${source}` : source.trimEnd()
}

/** Whether the block is a fence itself. A fence inside of a list may be followed by more of it. */
function isFence(source: string): boolean {
  return /^\s{0,3}(```|~~~)/.test(source)
}

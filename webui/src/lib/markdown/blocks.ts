/**
 * Cuts growing Markdown into blocks that are finished and a last one that is still being written.
 *
 * Blocks are the top-level blocks of markdown-it's parser. A block counts as finished only when a
 * later block has a complete line: until then the next line may still belong to it, as the line
 * `---` below a paragraph, which makes it a heading.
 */
import type MarkdownIt from 'markdown-it'

export interface Block {
  source: string
  /** Whether this is a fenced code block without its closing fence. */
  openFence: boolean
}

/** Splits `source` at its top-level blocks. Joined, the blocks give the source again. */
export function splitBlocks(md: MarkdownIt, source: string): Block[] {
  const tokens: Parameters<typeof md.block.parse>[3] = []
  md.block.parse(source, md, {}, tokens)
  const tops = tokens.filter((token) => token.level === 0 && token.map && token.nesting >= 0)
  if (!tops.length) return source ? [{ source, openFence: false }] : []
  const lines = lineOffsets(source)
  return tops.map((token, index) => {
    const start = index === 0 ? 0 : lines[token.map![0]]!
    const next = tops[index + 1]
    const end = next ? lines[next.map![0]]! : source.length
    const text = source.slice(start, end)
    return { source: text, openFence: token.type === 'fence' && !isClosed(text, token.markup) }
  })
}

/** The number of blocks from the front that can no longer change when text is appended. */
export function finishedCount(blocks: Block[]): number {
  const last = blocks.at(-1)
  if (!last) return 0
  const lastHasLine = last.source.trimStart().includes('\n')
  return Math.max(0, lastHasLine ? blocks.length - 1 : blocks.length - 2)
}

/** Whether the text defines link references, `[label]: address`, which change how other blocks read. */
export function hasReferences(source: string): boolean {
  return /^ {0,3}\[[^\]\n]+\]:/m.test(source)
}

/** Whether the last line of a fenced block is its closing fence. */
function isClosed(source: string, markup: string): boolean {
  const lines = source.trimEnd().split('\n')
  const last = lines.length > 1 ? lines.at(-1)!.trim() : ''
  return last.length >= markup.length && [...last].every((char) => char === markup[0])
}

/** The offset of each line's first character. */
function lineOffsets(source: string): number[] {
  const offsets = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) {
    offsets.push(at + 1)
  }
  return offsets
}

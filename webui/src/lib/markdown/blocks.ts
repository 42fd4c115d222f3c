/**
 * Cuts growing Markdown into blocks that are finished and one that is still being written.
 *
 * Knows where blocks begin; does not know how they are rendered. A block is finished only when a
 * later block has a complete line: until then the next line may still belong to it.
 */
import type MarkdownIt from 'markdown-it'

export interface Block {
  source: string
  /** A fenced code block whose closing fence has not come yet. */
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

/** How many of the blocks, from the front, can no longer change when text is appended. */
export function finishedCount(blocks: Block[]): number {
  const last = blocks.at(-1)
  if (!last) return 0
  const lastHasLine = last.source.trimStart().includes('\n')
  return Math.max(0, lastHasLine ? blocks.length - 1 : blocks.length - 2)
}

/** `[label]: address` anywhere changes how other blocks read, so such a text is rendered whole. */
export function hasReferences(source: string): boolean {
  return /^ {0,3}\[[^\]\n]+\]:/m.test(source)
}

function isClosed(source: string, markup: string): boolean {
  const lines = source.trimEnd().split('\n')
  const last = lines.length > 1 ? lines.at(-1)!.trim() : ''
  return last.length >= markup.length && [...last].every((char) => char === markup[0])
}

function lineOffsets(source: string): number[] {
  const offsets = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) {
    offsets.push(at + 1)
  }
  return offsets
}

/** Writes parts of a Markdown document: headings, quotes, tables, code and foldable sections. */

/** Blocks with an empty line between them; empty ones are left out. */
export const document = (blocks: string[]) => `${blocks.filter(Boolean).join('\n\n')}\n`

export const heading = (level: number, text: string) => `${'#'.repeat(level)} ${plainLine(text)}`

export const quote = (text: string) => text.replace(/^/gm, '> ')

export const fold = (summary: string, text: string) =>
  `<details><summary>${summary}</summary>\n\n${text}\n\n</details>`

/** A table with header; `rule` is the line below the header, which sets the alignment. */
export function table(header: readonly string[], rule: string, rows: string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(header), rule, ...rows.map(line)].join('\n')
}

/** Text on one line in which nothing has a meaning in Markdown, for names and error messages. */
export function plainLine(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]<>|]|^#|#(?=#*$)/g, (char) => `\\${char}`)
}

/** Inline code, fenced by more backticks than any run of them inside. */
export function inlineCode(text: string): string {
  const flat = text.replace(/\s+/g, ' ')
  const runs = [...flat.matchAll(/`+/g)].map(([run]) => run.length)
  const fence = '`'.repeat(Math.max(0, ...runs) + 1)
  return fence.length > 1 ? `${fence} ${flat} ${fence}` : `\`${flat}\``
}

/**
 * Markdown of a model, with a code block that it left open closed at the end. A stopped answer may
 * end inside of one, and the rest of the document would become code.
 */
export function closeFences(text: string): string {
  let open: string | null = null
  for (const row of text.split('\n')) {
    const [, fence, rest] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(row) ?? []
    if (!fence) continue
    if (open === null) open = fence
    else if (fence.startsWith(open) && !rest!.trim()) open = null
  }
  return open === null ? text : `${text}\n${open}`
}

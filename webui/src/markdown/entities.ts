/**
 * Stands in for the package `entities`, with what markdown-it needs of it: every browser has the
 * table of named characters, which in that package is 20 kB.
 */
let reader: HTMLTextAreaElement | null = null

/** `&amp;` → `&`. Given one reference, as markdown-it finds them. */
export function decodeHTML(reference: string): string {
  reader ??= document.createElement('textarea')
  reader.innerHTML = reference
  return reader.value
}

/** The same; but of `&notit;`, which begins with the old name `&not`, nothing is taken. */
export function decodeHTMLStrict(reference: string): string {
  const text = decodeHTML(reference)
  return text.length > 1 && text.endsWith(';') ? reference : text
}

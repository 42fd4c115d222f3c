/**
 * Stands in for the package `entities`, with what markdown-it needs of it: every browser has the
 * table of named characters, which in that package is 20 kB.
 */
const REFERENCE = /^&#?\w+;?$/
let reader: HTMLTextAreaElement | null = null

/** Under the hub's policy HTML needs one of its own; this lets nothing be read but a reference. */
const policy = (
  globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): Policy } }
).trustedTypes?.createPolicy('chatzoo-entities', {
  createHTML: (text: string) => (REFERENCE.test(text) ? text : ''),
})
interface Policy {
  createHTML(text: string): string
}

/** `&amp;` → `&`. Given one reference, as markdown-it finds them. */
export function decodeHTML(reference: string): string {
  reader ??= document.createElement('textarea')
  reader.innerHTML = policy?.createHTML(reference) ?? reference
  return reader.value
}

/** The same; but of `&notit;`, which begins with the old name `&not`, nothing is taken. */
export function decodeHTMLStrict(reference: string): string {
  const text = decodeHTML(reference)
  return text.length > 1 && text.endsWith(';') ? reference : text
}

/**
 * Decodes character references such as `&amp;` by the browser's own parser.
 *
 * Takes the place of the package `entities` in markdown-it (an alias in vite.config.ts): its table of
 * names weighs 20 kB, and every browser has that table.
 */
const REFERENCE = /^&#?\w+;?$/
let reader: HTMLTextAreaElement | null = null

/** The hub's Content Security Policy requires a trusted type; this one admits only a reference. */
const policy = (
  globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): Policy } }
).trustedTypes?.createPolicy('chatzoo-entities', {
  createHTML: (text: string) => (REFERENCE.test(text) ? text : ''),
})
interface Policy {
  createHTML(text: string): string
}

/** The characters of one reference, as `&` for `&amp;`. */
export function decodeHTML(reference: string): string {
  reader ??= document.createElement('textarea')
  reader.innerHTML = policy?.createHTML(reference) ?? reference
  return reader.value
}

/**
 * The characters of one reference that is complete. A browser reads `&notit;` as the old name `&not`
 * followed by `it;`; such a reference stays unchanged.
 */
export function decodeHTMLStrict(reference: string): string {
  const text = decodeHTML(reference)
  return text.length > 1 && text.endsWith(';') ? reference : text
}

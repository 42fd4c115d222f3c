/**
 * Reads a document from outside, a file or an address, field by field, and checks every field.
 *
 * Errors name the field, as in `sessions[2].panes[0].turns`.
 */
import { BadUrl, normalizeUrl } from '../../api/url'
import type { ParamValues } from '../../api/wire'
import { isObject } from '../../lib/text/json'

/** A file that cannot be used; `where` names the field or the version that is wrong. */
export class BadFile extends Error {
  constructor(
    readonly reason: 'tooLarge' | 'notJson' | 'notOurs' | 'version' | 'field' | 'tooMany',
    readonly where = '',
  ) {
    super(`${reason} ${where}`)
  }
}

/** Limits of a file, so that a wrong one cannot fill the memory or the browser's database. */
export const MAX_BYTES = 64 * 2 ** 20
const MAX_TEXT = 4 * 2 ** 20
const MAX_SETTINGS = 200

/** The root field and the version of a JSON file of ours. Raises BadFile. */
export function readDocument(
  text: string,
  format: string,
  versions: readonly number[],
): { file: DocumentField; version: number } {
  if (text.length > MAX_BYTES) throw new BadFile('tooLarge')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BadFile('notJson')
  }
  const file = new DocumentField(value, '')
  if (!isObject(value) || value.format !== format) throw new BadFile('notOurs')
  const version = versions.find((supported) => supported === value.version)
  if (version === undefined) throw new BadFile('version', String(value.version).slice(0, 20))
  return { file, version }
}

/** A value of the document and its path. Every method raises BadFile if the value does not fit. */
export class DocumentField {
  constructor(
    private readonly value: unknown,
    readonly where: string,
  ) {}

  /** The field `name` of an object. Inherited names such as `constructor` count as missing. */
  at(name: string): DocumentField {
    if (!isObject(this.value)) throw this.wrong()
    const value = Object.hasOwn(this.value, name) ? this.value[name] : undefined
    return new DocumentField(value, this.where ? `${this.where}.${name}` : name)
  }

  /** The entries of an array of at most `most`. */
  list(most: number): DocumentField[] {
    if (!Array.isArray(this.value)) throw this.wrong()
    if (this.value.length > most) throw new BadFile('tooMany', this.where)
    return this.value.map((entry, index) => new DocumentField(entry, `${this.where}[${index}]`))
  }

  /** A string of at most `most` characters. */
  text(most = MAX_TEXT): string {
    if (typeof this.value !== 'string' || this.value.length > most) throw this.wrong()
    return this.value
  }

  number(): number {
    if (typeof this.value !== 'number' || !Number.isFinite(this.value)) throw this.wrong()
    return this.value
  }

  flag(): boolean {
    if (typeof this.value !== 'boolean') throw this.wrong()
    return this.value
  }

  oneOf<T extends string>(known: readonly T[]): T {
    const value = known.find((entry) => entry === this.value)
    if (value === undefined) throw this.wrong()
    return value
  }

  /** Milliseconds since the epoch, from a time in ISO 8601. */
  time(): number {
    const at = Date.parse(this.text(40))
    if (Number.isNaN(at)) throw this.wrong()
    return at
  }

  /** The normalised address of a worker. */
  url(): string {
    try {
      return normalizeUrl(this.text(2048))
    } catch (error) {
      throw error instanceof BadUrl ? this.wrong() : error
    }
  }

  /** Settings of a request: plain values, or lists of them, by name. */
  settings(): ParamValues {
    if (!isObject(this.value)) throw this.wrong()
    const entries = Object.entries(this.value)
    if (entries.length > MAX_SETTINGS) throw new BadFile('tooMany', this.where)
    for (const [name, value] of entries) {
      const plain = Array.isArray(value) ? value.every(isPlain) : isPlain(value)
      if (!plain || name === '__proto__') throw this.at(name).wrong()
    }
    return Object.fromEntries(entries)
  }

  /** What `read` makes of this field; null if the field is missing or null. */
  maybe<T>(read: (field: DocumentField) => T): T | null {
    return this.value === null || this.value === undefined ? null : read(this)
  }

  private wrong(): BadFile {
    return new BadFile('field', this.where)
  }
}

const isPlain = (value: unknown) =>
  value === null || ['boolean', 'number', 'string'].includes(typeof value)

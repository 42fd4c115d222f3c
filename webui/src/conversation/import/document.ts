/** Reads what came from outside, field by field: a file, an address. Pure. */
import { BadUrl, normalizeUrl } from '../../api/url'
import type { ParamValues } from '../../api/wire'

/** A file that cannot be used, and where it is wrong. */
export class BadFile extends Error {
  constructor(
    readonly reason: 'tooLarge' | 'notJson' | 'notOurs' | 'version' | 'field' | 'tooMany',
    readonly where = '',
  ) {
    super(`${reason} ${where}`)
  }
}

export const MAX_BYTES = 64 * 2 ** 20
const MAX_TEXT = 4 * 2 ** 20
const MAX_SETTINGS = 200

/** The document in a file of ours, and its version. */
export function readDocument(
  text: string,
  format: string,
  versions: readonly number[],
): { file: Field; version: number } {
  if (text.length > MAX_BYTES) throw new BadFile('tooLarge')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BadFile('notJson')
  }
  const file = new Field(value, '')
  if (!isRecord(value) || value.format !== format) throw new BadFile('notOurs')
  const version = versions.find((one) => one === value.version)
  if (version === undefined) throw new BadFile('version', String(value.version).slice(0, 20))
  return { file, version }
}

export class Field {
  constructor(
    private readonly value: unknown,
    readonly where: string,
  ) {}

  at(name: string): Field {
    if (!isRecord(this.value)) throw this.wrong()
    const value = Object.hasOwn(this.value, name) ? this.value[name] : undefined
    return new Field(value, this.where ? `${this.where}.${name}` : name)
  }

  list(most: number): Field[] {
    if (!Array.isArray(this.value)) throw this.wrong()
    if (this.value.length > most) throw new BadFile('tooMany', this.where)
    return this.value.map((entry, index) => new Field(entry, `${this.where}[${index}]`))
  }

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
    const found = known.find((entry) => entry === this.value)
    if (found === undefined) throw this.wrong()
    return found
  }

  /** Milliseconds since the epoch, from ISO 8601. */
  time(): number {
    const at = Date.parse(this.text(40))
    if (Number.isNaN(at)) throw this.wrong()
    return at
  }

  url(): string {
    try {
      return normalizeUrl(this.text(2048))
    } catch (error) {
      throw error instanceof BadUrl ? this.wrong() : error
    }
  }

  /** What a request may set: plain values, and lists of them. */
  settings(): ParamValues {
    if (!isRecord(this.value)) throw this.wrong()
    const entries = Object.entries(this.value)
    if (entries.length > MAX_SETTINGS) throw new BadFile('tooMany', this.where)
    for (const [name, value] of entries) {
      const plain = Array.isArray(value) ? value.every(isPlain) : isPlain(value)
      if (!plain || name === '__proto__') throw this.at(name).wrong()
    }
    return Object.fromEntries(entries)
  }

  /** null where there is nothing. */
  maybe<T>(read: (field: Field) => T): T | null {
    return this.value === null || this.value === undefined ? null : read(this)
  }

  private wrong(): BadFile {
    return new BadFile('field', this.where)
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isPlain = (value: unknown) =>
  value === null || ['boolean', 'number', 'string'].includes(typeof value)

/**
 * Reads and writes small JSON values in localStorage and sessionStorage.
 *
 * A browser that refuses storage (private windows, policies, full quota) raises on access. Reading
 * then gives null and writing false: the page works on without the stored value.
 */
const PREFIX = 'chatzoo.'

export function readLocal(key: string): unknown {
  return read(() => localStorage, key)
}

export function writeLocal(key: string, value: unknown): void {
  write(() => localStorage, key, value)
}

/** Reads a value of this tab, which the browser removes when the tab is closed. */
export function readTab(key: string): unknown {
  return read(() => sessionStorage, key)
}

/** Writes a value of this tab. Returns false if the browser did not store it. */
export function writeTab(key: string, value: unknown): boolean {
  return write(() => sessionStorage, key, value)
}

function read(storage: () => Storage, key: string): unknown {
  try {
    return JSON.parse(storage().getItem(PREFIX + key) ?? 'null')
  } catch {
    return null
  }
}

function write(storage: () => Storage, key: string, value: unknown): boolean {
  try {
    storage().setItem(PREFIX + key, JSON.stringify(value))
    return true
  } catch {
    return false
  }
}

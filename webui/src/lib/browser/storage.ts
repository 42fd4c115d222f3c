/**
 * Small values in the browser. A browser that refuses storage (private windows, policies) costs
 * the memory of them, not the page.
 */
const PREFIX = 'chatzoo.'

export function readLocal(key: string): unknown {
  return read(() => localStorage, key)
}

export function writeLocal(key: string, value: unknown): void {
  write(() => localStorage, key, value)
}

/** For this tab only; gone when it is closed. */
export function readTab(key: string): unknown {
  return read(() => sessionStorage, key)
}

/** False: it could not be kept. */
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
    // Refused or full: nothing that a person could do about it here.
    return false
  }
}

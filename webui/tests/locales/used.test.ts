import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import en from '../../src/locales/en.json'

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(vue|ts)$/.test(name))
  .map((name) => readFileSync(`src/${name}`, 'utf8'))
  .join('\n')

/** Written with a variable part, as in t(`state.${state}`). */
const families = [...files.matchAll(/`(\w+(?:\.\w+)*\.)\$\{/g)].map(([, prefix]) => prefix!)

describe('messages', () => {
  it('are all used', () => {
    const unused = Object.keys(en).filter(
      (key) => !files.includes(`'${key}'`) && !families.some((prefix) => key.startsWith(prefix)),
    )
    expect(unused).toEqual([])
  })
})

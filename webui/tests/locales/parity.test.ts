import { describe, expect, it } from 'vitest'
import en from '../../src/locales/en.json'
import zh from '../../src/locales/zh-CN.json'

const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort()

describe('both languages', () => {
  it('have the same messages, in the same order', () => {
    expect(Object.keys(zh)).toEqual(Object.keys(en))
  })

  it('have the same placeholders, and no empty text', () => {
    for (const [key, text] of Object.entries(en)) {
      const other = (zh as Record<string, string>)[key]!
      expect(other.trim(), key).not.toBe('')
      expect(placeholders(other), key).toEqual(placeholders(text))
    }
  })
})

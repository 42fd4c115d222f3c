import { describe, expect, it } from 'vitest'
import { BadUrl, displayUrl, normalizeUrl } from '../../src/api/url'

describe('normalizeUrl', () => {
  it.each([
    ['localhost:8081', 'http://localhost:8081'],
    ['  127.0.0.1:8081/  ', 'http://127.0.0.1:8081'],
    ['HTTP://LocalHost:8081', 'http://localhost:8081'],
    ['https://models.example/a/b//', 'https://models.example/a/b'],
    ['http://host:8081/?x=1#y', 'http://host:8081'],
    ['https://host:443', 'https://host'],
    ['8081', 'http://127.0.0.1:8081'],
    [':8081', 'http://127.0.0.1:8081'],
    ['[::1]:8081', 'http://[::1]:8081'],
    ['模型.example:8081', 'http://xn--xgs754b.example:8081'],
  ])('%s', (typed, expected) => {
    expect(normalizeUrl(typed)).toBe(expected)
    expect(normalizeUrl(expected)).toBe(expected)
  })

  it('puts a bare port on the host of the page', () => {
    expect(normalizeUrl('8081', 'lab.example')).toBe('http://lab.example:8081')
  })

  it.each([
    ['', 'empty'],
    ['   ', 'empty'],
    ['ftp://host', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['http://', 'malformed'],
    ['http://a b', 'malformed'],
    ['host:99999', 'malformed'],
    ['http://me:secret@host', 'credentials'],
  ])('refuses %s as %s', (typed, reason) => {
    expect(() => normalizeUrl(typed)).toThrow(BadUrl)
    expect(() => normalizeUrl(typed)).toThrow(expect.objectContaining({ reason }))
  })

  it('is shown without its scheme', () => {
    expect(displayUrl('http://host:1/a')).toBe('host:1/a')
  })
})

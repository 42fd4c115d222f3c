// @vitest-environment jsdom
import { expect, it } from 'vitest'
import { decodeHTML, decodeHTMLStrict } from '../../../src/lib/markdown/entities'
import { md } from '../../../src/lib/markdown/parser'

it('reads references as the package does that it stands in for', () => {
  expect(decodeHTML('&amp;')).toBe('&')
  expect(decodeHTML('&rarr;')).toBe('→')
  expect(decodeHTML('&semi;')).toBe(';')
  expect(decodeHTML('&unknown;')).toBe('&unknown;')
  expect(decodeHTML('&lt;')).toBe('<')
  expect(decodeHTMLStrict('&notit;')).toBe('&notit;')
  expect(decodeHTMLStrict('&semi;')).toBe(';')
})

it('is what the parser uses', () => {
  expect(md.renderInline('&copy; &lt;b&gt; [x](https://a.b/&auml;) &notit;')).toBe(
    '© &lt;b&gt; <a href="https://a.b/%C3%A4">x</a> &amp;notit;',
  )
})

import { describe, expect, it } from 'vitest'
import { exportMarkdown } from '../../../src/conversation/export/report'
import type { Words } from '../../../src/conversation/export/report'
import { sample } from '../sample'

/** Each word is its own name. */
const words = new Proxy({}, { get: (_, name) => name }) as Words

describe('Markdown', () => {
  const text = exportMarkdown([sample()], words)

  it('has the prompt once, and each pane as a section', () => {
    expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual([
      '# My foxes',
      '## turn 1',
      '### FOX',
      '### OWL',
      '## turn 2',
      '### FOX',
    ])
    expect(text.match(/> Say "hi", 狐/g)).toHaveLength(1)
    expect(text).toContain('<details><summary>version 2 / 2</summary>')
    expect(text).toContain('**failed:** no \\| room')
  })

  it('has a table of the measurements', () => {
    expect(text).toContain('| FOX | fox-7b | 2 ms | 20 ms | 40.5 | 12 | 320 ms | stop |')
  })

  it('ends a code block that an answer left open', () => {
    expect(text).toContain('```py\nopen\n```\n')
  })
})

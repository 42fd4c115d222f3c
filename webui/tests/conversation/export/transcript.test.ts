import { describe, expect, it } from 'vitest'
import { allMarkdown, paneMarkdown } from '../../../src/conversation/export/transcript'
import { reduce } from '../../../src/conversation/reduce'
import type { ConversationEvent } from '../../../src/conversation/reduce'
import { emptyConversation } from '../../../src/conversation/turns'

const asked = { params: {}, system: null, at: 0 }
const pane = (name: string, ...events: ConversationEvent[]) => ({
  name,
  turns: events.reduce(reduce, emptyConversation).turns,
})
const fox = pane(
  'Fox',
  { type: 'send', turnId: '1', prompt: 'Hello\n', ...asked },
  { type: 'delta', data: { reasoning: 'hm', text: '**Hi**' }, at: 0 },
  { type: 'fail', failure: { message: 'it\nbroke' }, at: 0 },
)

describe('transcript', () => {
  it('is Markdown with headings, without the reasoning', () => {
    expect(paneMarkdown(fox, 'You')).toBe(
      '# Fox\n\n## You\n\nHello\n\n## Fox\n\n**Hi**\n\n> it broke\n',
    )
  })

  it('contains all panes that have turns', () => {
    const text = allMarkdown('Zoo', [fox, pane('Owl'), fox], '你')
    expect(text).toMatch(/^# Zoo\n\n## Fox\n\n### 你\n\nHello\n\n### Fox\n\n/)
    expect(text).not.toContain('Owl')
    expect(text.match(/^## /gm)).toHaveLength(2)
  })
})

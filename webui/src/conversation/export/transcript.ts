/** Conversations as Markdown, for the clipboard. Pure. */
import type { Turn } from '../reduce'

export interface Transcript {
  name: string
  turns: readonly Turn[]
}

/** `you` is what the person is called, `level` the depth of the pane's heading. */
export function paneMarkdown({ name, turns }: Transcript, you: string, level = 1): string {
  const heading = '#'.repeat(level)
  const parts = turns.flatMap(({ prompt, answer }) => [
    `${heading}# ${you}`,
    prompt.trim(),
    `${heading}# ${name}`,
    answer.text.trim(),
    answer.error ? `> ${answer.error.message.replace(/\s*\n\s*/g, ' ')}` : '',
  ])
  return `${[`${heading} ${name}`, ...parts].filter(Boolean).join('\n\n')}\n`
}

export function allMarkdown(title: string, panes: readonly Transcript[], you: string): string {
  const parts = panes.filter(({ turns }) => turns.length).map((pane) => paneMarkdown(pane, you, 2))
  return [`# ${title}\n`, ...parts].join('\n')
}

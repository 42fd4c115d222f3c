/** Conversations of panes as Markdown for the clipboard: prompts and answers, no figures. */
import { closeFences, document, heading, plainLine } from '../../lib/text/writeMarkdown'
import type { Turn } from '../turns'

export interface Transcript {
  name: string
  turns: readonly Turn[]
}

/** One conversation. `you` names the person; `level` is the level of the pane's heading. */
export function paneMarkdown({ name, turns }: Transcript, you: string, level = 1): string {
  const blocks = turns.flatMap(({ prompt, answer }) => [
    heading(level + 1, you),
    prompt.trim(),
    heading(level + 1, name),
    closeFences(answer.text.trim()),
    answer.error ? `> ${plainLine(answer.error.message)}` : '',
  ])
  return document([heading(level, name), ...blocks])
}

/** The conversations of all panes that have turns. */
export function allMarkdown(title: string, panes: readonly Transcript[], you: string): string {
  const parts = panes.filter(({ turns }) => turns.length).map((pane) => paneMarkdown(pane, you, 2))
  return [`${heading(1, title)}\n`, ...parts].join('\n')
}

/** Sessions as Markdown, to be read: a section for each turn, in it one for each pane. Pure. */
import type { Session } from '../../features/sessions/sessionDatabase'
import type { StoredPane } from '../../features/arena/arenaStore'
import { labelOf } from './sessions'
import { metricsOf, versionsOf } from '../reduce'
import type { Answer, Turn } from '../reduce'

/** What the report says in the language of its reader. */
export type Words = Record<
  | 'turn'
  | 'prompt'
  | 'system'
  | 'settings'
  | 'reasoning'
  | 'version'
  | 'failed'
  | 'stopped'
  | 'pane'
  | 'model'
  | 'queue'
  | 'ttft'
  | 'tps'
  | 'tokens'
  | 'total'
  | 'finish',
  string
>

export function exportMarkdown(sessions: Session[], words: Words): string {
  return sessions.map((session) => report(session, words)).join('\n---\n\n')
}

function report(session: Session, words: Words): string {
  const names = paneNames(session.panes)
  const most = Math.max(0, ...session.panes.map(({ turns }) => turns.length))
  const parts = [
    `# ${line(labelOf(session))}`,
    `${new Date(session.updatedAt).toISOString()} · ${names.map(line).join(' · ')}`,
  ]
  for (let index = 0; index < most; index++) parts.push(...turnOf(session, names, index, words))
  return `${parts.join('\n\n')}\n`
}

function turnOf({ panes }: Session, names: string[], index: number, words: Words): string[] {
  const entries = panes.flatMap(({ turns }, at) => {
    const turn = turns[index]
    return turn ? [{ name: names[at]!, turn }] : []
  })
  const prompts = new Set(entries.map(({ turn }) => turn.prompt))
  const one = prompts.size === 1
  const parts = [`## ${words.turn} ${index + 1}`]
  if (one) parts.push(promptOf(entries[0]!.turn, words))
  for (const { name, turn } of entries) {
    parts.push(`### ${line(name)}`)
    if (!one) parts.push(promptOf(turn, words))
    parts.push(...answerOf(turn, words))
  }
  return [...parts, table(entries, words)]
}

const promptOf = ({ prompt }: Turn, words: Words) => `**${words.prompt}**\n\n${quoted(prompt)}`

function answerOf(turn: Turn, words: Words): string[] {
  const { params, system } = turn.answer
  const parts: string[] = []
  if (system) parts.push(`**${words.system}**\n\n${quoted(system)}`)
  if (Object.keys(params).length) {
    const settings = Object.entries(params).map(([name, value]) => `${name} = ${shown(value)}`)
    parts.push(`${words.settings}: ${settings.map(code).join(', ')}`)
  }
  parts.push(...spoken(turn.answer, words))
  const versions = versionsOf(turn)
  versions.forEach((answer, index) => {
    if (answer === turn.answer) return
    const summary = `${words.version} ${index + 1} / ${versions.length}`
    parts.push(folded(summary, spoken(answer, words).join('\n\n')))
  })
  return parts
}

function spoken({ text, reasoning, status, error }: Answer, words: Words): string[] {
  const parts: string[] = []
  if (reasoning) parts.push(folded(words.reasoning, closed(reasoning)))
  if (text) parts.push(closed(text))
  if (status === 'stopped') parts.push(`*${words.stopped}*`)
  if (status === 'error') parts.push(`**${words.failed}:** ${line(error?.message ?? '')}`)
  return parts
}

const COLUMNS = ['pane', 'model', 'queue', 'ttft', 'tps', 'tokens', 'total', 'finish'] as const

function table(entries: { name: string; turn: Turn }[], words: Words): string {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`
  const rows = entries.map(({ name, turn: { answer } }) => {
    const { queueMs, ttftMs, tokensPerSecond, tokens, totalMs, finish } = metricsOf(answer)
    return row([
      line(name),
      line(answer.model ?? ''),
      ms(queueMs),
      ms(ttftMs),
      tokensPerSecond === null ? '' : tokensPerSecond.toFixed(1),
      tokens === null ? '' : String(tokens),
      ms(totalMs),
      line(finish ?? answer.status),
    ])
  })
  const rule = '|---|---|---:|---:|---:|---:|---:|---|'
  return [row(COLUMNS.map((column) => words[column])), rule, ...rows].join('\n')
}

/** Panes of one worker are numbered, as on the page. */
function paneNames(panes: StoredPane[]): string[] {
  return panes.map((pane, index) => {
    const name = pane.workerName || pane.workerUrl
    const same = (other: StoredPane) => other.workerUrl === pane.workerUrl
    const number = panes.slice(0, index + 1).filter(same).length
    return panes.filter(same).length > 1 ? `${name} #${number}` : name
  })
}

const ms = (value: number | null) => (value === null ? '' : `${Math.round(value)} ms`)
const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
const quoted = (text: string) => text.replace(/^/gm, '> ')
const folded = (summary: string, text: string) =>
  `<details><summary>${summary}</summary>\n\n${text}\n\n</details>`

/** Names and messages are one line and mean nothing in Markdown. */
const line = (text: string) =>
  text.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>#|]/g, (char) => `\\${char}`)

function code(text: string): string {
  const flat = text.replace(/\s+/g, ' ')
  const fence = '`'.repeat(Math.max(0, ...[...flat.matchAll(/`+/g)].map(([run]) => run.length)) + 1)
  return fence.length > 1 ? `${fence} ${flat} ${fence}` : `\`${flat}\``
}

/** An answer may end within a code block; what comes after it must not be code. */
function closed(text: string): string {
  let open: string | null = null
  for (const row of text.split('\n')) {
    const [, fence, rest] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(row) ?? []
    if (!fence) continue
    if (open === null) open = fence
    else if (fence.startsWith(open) && !rest!.trim()) open = null
  }
  return open === null ? text : `${text}\n${open}`
}

/** Sessions as a Markdown report: a section for each turn, in it one for each pane, and a table. */
import {
  closeFences,
  document,
  fold,
  heading,
  inlineCode,
  plainLine,
  quote,
  table,
} from '../../lib/text/writeMarkdown'
import { metricsOf } from '../metrics'
import type { StoredPane } from '../panes'
import { labelOf } from '../sessions'
import type { Session } from '../sessions'
import { versionsOf } from '../turns'
import type { Answer, Turn } from '../turns'

const COLUMNS = ['pane', 'model', 'queue', 'ttft', 'tps', 'tokens', 'total', 'finish'] as const
const ALIGNMENT = '|---|---|---:|---:|---:|---:|---:|---|'

/** The report's own words, in the language of the page. */
export type Words = Record<
  | (typeof COLUMNS)[number]
  | 'turn'
  | 'prompt'
  | 'system'
  | 'settings'
  | 'reasoning'
  | 'version'
  | 'failed'
  | 'stopped',
  string
>

export function exportMarkdown(sessions: Session[], words: Words): string {
  return sessions.map((session) => reportOf(session, words)).join('\n---\n\n')
}

function reportOf(session: Session, words: Words): string {
  const names = paneNames(session.panes)
  const most = Math.max(0, ...session.panes.map(({ turns }) => turns.length))
  const blocks = [
    heading(1, labelOf(session)),
    `${new Date(session.updatedAt).toISOString()} · ${names.map(plainLine).join(' · ')}`,
  ]
  for (let index = 0; index < most; index++) blocks.push(...turnOf(session, names, index, words))
  return document(blocks)
}

/** The turn at `index` of every pane. A prompt that all of them share is written once. */
function turnOf({ panes }: Session, names: string[], index: number, words: Words): string[] {
  const entries = panes.flatMap(({ turns }, at) => {
    const turn = turns[index]
    return turn ? [{ name: names[at]!, turn }] : []
  })
  const isShared = new Set(entries.map(({ turn }) => turn.prompt)).size === 1
  const blocks = [`## ${words.turn} ${index + 1}`]
  if (isShared) blocks.push(promptOf(entries[0]!.turn, words))
  for (const { name, turn } of entries) {
    blocks.push(heading(3, name))
    if (!isShared) blocks.push(promptOf(turn, words))
    blocks.push(...answerOf(turn, words))
  }
  return [...blocks, figures(entries, words)]
}

const promptOf = ({ prompt }: Turn, words: Words) => `**${words.prompt}**\n\n${quote(prompt)}`

function answerOf(turn: Turn, words: Words): string[] {
  const { params, system } = turn.answer
  const blocks: string[] = []
  if (system) blocks.push(`**${words.system}**\n\n${quote(system)}`)
  if (Object.keys(params).length) {
    const settings = Object.entries(params).map(([name, value]) => `${name} = ${shown(value)}`)
    blocks.push(`${words.settings}: ${settings.map(inlineCode).join(', ')}`)
  }
  blocks.push(...textOf(turn.answer, words))
  const versions = versionsOf(turn)
  versions.forEach((answer, index) => {
    if (answer === turn.answer) return
    const summary = `${words.version} ${index + 1} / ${versions.length}`
    blocks.push(fold(summary, textOf(answer, words).join('\n\n')))
  })
  return blocks
}

function textOf({ text, reasoning, status, error }: Answer, words: Words): string[] {
  const blocks: string[] = []
  if (reasoning) blocks.push(fold(words.reasoning, closeFences(reasoning)))
  if (text) blocks.push(closeFences(text))
  if (status === 'stopped') blocks.push(`*${words.stopped}*`)
  if (status === 'error') blocks.push(`**${words.failed}:** ${plainLine(error?.message ?? '')}`)
  return blocks
}

function figures(entries: { name: string; turn: Turn }[], words: Words): string {
  const rows = entries.map(({ name, turn: { answer } }) => {
    const { queueMs, ttftMs, tokensPerSecond, tokens, totalMs, finish } = metricsOf(answer)
    return [
      plainLine(name),
      plainLine(answer.model ?? ''),
      ms(queueMs),
      ms(ttftMs),
      tokensPerSecond === null ? '' : tokensPerSecond.toFixed(1),
      tokens === null ? '' : String(tokens),
      ms(totalMs),
      plainLine(finish ?? answer.status),
    ]
  })
  const header = COLUMNS.map((column) => words[column])
  return table(header, ALIGNMENT, rows)
}

/** Panes of the same worker are numbered, as on the page. */
function paneNames(panes: StoredPane[]): string[] {
  return panes.map((pane, index) => {
    const name = pane.workerName || pane.workerUrl
    const isSame = (other: StoredPane) => other.workerUrl === pane.workerUrl
    const number = panes.slice(0, index + 1).filter(isSame).length
    return panes.filter(isSame).length > 1 ? `${name} #${number}` : name
  })
}

const ms = (value: number | null) => (value === null ? '' : `${Math.round(value)} ms`)
const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))

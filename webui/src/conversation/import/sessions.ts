/**
 * Reads sessions from a file that the JSON export wrote, version 1 or 2. Raises BadFile.
 *
 * Every field is checked. Every session gets a new id, so an import overwrites nothing.
 */
import { SESSIONS_FORMAT } from '../export/json'
import { MAX_PANES } from '../panes'
import type { StoredPane } from '../panes'
import { titleOf } from '../sessions'
import type { Session } from '../sessions'
import { atRest } from '../stored'
import type { Answer, AnswerStatus, Failure, Turn } from '../turns'
import { BadFile, readDocument } from './document'
import type { DocumentField } from './document'

/** Limits, so that a wrong file cannot fill the memory. */
const MAX_SESSIONS = 10_000
const MAX_TURNS = 10_000
const MAX_VERSIONS = 1_000
const MAX_NAME = 1_000
const STATUSES: AnswerStatus[] = ['waiting', 'queued', 'streaming', 'done', 'stopped', 'error']

type NewId = () => string

export function readSessions(text: string, newId: NewId, now: number): Session[] {
  const { file, version } = readDocument(text, SESSIONS_FORMAT, [1, 2])
  const readTurn = version === 1 ? firstTurn : turn
  return file
    .at('sessions')
    .list(MAX_SESSIONS)
    .map((field) => session(field, readTurn, newId, now))
}

type ReadTurn = (field: DocumentField, newId: NewId) => Turn

function session(field: DocumentField, readTurn: ReadTurn, newId: NewId, now: number): Session {
  const panes = field
    .at('panes')
    .list(MAX_PANES)
    .map((entry) => pane(entry, readTurn, newId, now))
  return {
    id: newId(),
    title: titleOf(panes),
    name: field.at('name').maybe((name) => name.text(MAX_NAME)) ?? '',
    pinned: field.at('pinned').maybe((pinned) => pinned.flag()) ?? false,
    createdAt: field.at('created_at').time(),
    updatedAt: field.at('updated_at').time(),
    paneNames: panes.map(({ workerName }) => workerName),
    panes,
  }
}

function pane(field: DocumentField, readTurn: ReadTurn, newId: NewId, now: number): StoredPane {
  const turns = field
    .at('turns')
    .list(MAX_TURNS)
    .map((entry) => readTurn(entry, newId))
  return {
    id: newId(),
    workerUrl: field.at('worker').at('url').url(),
    workerName: field.at('worker').at('name').text(MAX_NAME),
    settings: field.at('settings').settings(),
    system: optionalText(field.at('system')) ?? '',
    turns: atRest({ turns }, now).turns,
  }
}

/** A turn of version 1, which had one answer for each prompt. */
function firstTurn(field: DocumentField, newId: NewId): Turn {
  const prompt = field.at('prompt').text()
  return { id: newId(), prompt, answer: answer(field.at('answer')), earlier: [], later: [] }
}

function turn(field: DocumentField, newId: NewId): Turn {
  const versions = field.at('versions').list(MAX_VERSIONS).map(answer)
  const index = field.at('shown').number() - 1
  const shown = versions[index]
  if (!shown) throw new BadFile('field', field.at('shown').where)
  return {
    id: newId(),
    prompt: field.at('prompt').text(),
    answer: shown,
    earlier: versions.slice(0, index),
    later: versions.slice(index + 1),
  }
}

function answer(field: DocumentField): Answer {
  return {
    status: field.at('status').oneOf(STATUSES),
    text: field.at('text').text(),
    reasoning: optionalText(field.at('reasoning')) ?? '',
    position: null,
    requestId: optionalText(field.at('request_id')),
    model: optionalText(field.at('model')),
    promptTokens: optionalNumber(field.at('prompt_tokens')),
    droppedMessages: optionalNumber(field.at('dropped_turns')) ?? 0,
    finishReason: optionalText(field.at('finish_reason')),
    usage: field.at('usage').maybe((usage) => ({
      prompt_tokens: optionalNumber(usage.at('prompt_tokens')),
      completion_tokens: usage.at('completion_tokens').number(),
      cached_tokens: optionalNumber(usage.at('cached_tokens')) ?? 0,
    })),
    timings: field.at('timings').maybe((timings) => ({
      queue_ms: timings.at('queue_ms').number(),
      ttft_ms: optionalNumber(timings.at('ttft_ms')),
      total_ms: timings.at('total_ms').number(),
      tokens_per_second: optionalNumber(timings.at('tokens_per_second')),
    })),
    error: field.at('error').maybe(failure),
    params: field.at('params').settings(),
    system: optionalText(field.at('system')),
    versionsBefore:
      field.at('after').maybe((after) => after.list(MAX_TURNS).map((index) => index.number())) ??
      undefined,
    sentAt: field.at('sent_at').time(),
    firstAt: field.at('first_at').maybe((at) => at.time()),
    endedAt: field.at('ended_at').maybe((at) => at.time()),
  }
}

function failure(field: DocumentField): Failure {
  return {
    message: field.at('message').text(),
    type: optionalText(field.at('type')),
    param: optionalText(field.at('param')),
    code: optionalText(field.at('code')),
    status: optionalNumber(field.at('status')),
    // Version 1 wrote this name in camel case.
    retryAfter: optionalNumber(field.at('retry_after')) ?? optionalNumber(field.at('retryAfter')),
  }
}

const optionalText = (field: DocumentField) => field.maybe((present) => present.text())
const optionalNumber = (field: DocumentField) => field.maybe((present) => present.number())

/**
 * Validates responses of workers and hubs and gives them the shape that the page relies on.
 *
 * What is missing or has the wrong type becomes null or is left out, and invisible characters are
 * escaped. A faulty worker thus affects its own card, not the page.
 */
import { escapeInvisible, escapeInvisibleDeep } from '../lib/text/invisible'
import { isObject } from '../lib/text/json'
import { ApiError } from './errors'
import { BadUrl, normalizeUrl } from './url'
import type { HubState, HubWorker, ParamSchema, ParamsSchema, WorkerInfo } from './wire'

type Json = Record<string, unknown>

const STATES = new Set<unknown>(['loading', 'ready', 'draining', 'failed'])
const HUB_STATES = new Set<unknown>([...STATES, 'starting', 'down'])
const OBJECTS = ['device_map', 'memory', 'queue', 'capabilities', 'limits'] as const
const NAMES = ['name', 'model', 'family', 'version'] as const
const TEXTS = [
  'native_class',
  'dtype',
  'quantization',
  'revision',
  'base_model',
  'engine',
  'error',
] as const

/** The facts of a worker. Raises ApiError if this is not the response of a worker. */
export function toInfo(json: unknown): WorkerInfo {
  if (!isObject(json) || !STATES.has(json.state)) {
    throw new ApiError({ message: 'this is no ChatZoo worker', code: 'not_a_worker' })
  }
  const info: Json = escapeInvisibleDeep(json)
  for (const key of NAMES) info[key] = toText(info[key]) ?? ''
  for (const key of TEXTS) info[key] = toText(info[key])
  for (const key of OBJECTS) info[key] = isObject(info[key]) ? info[key] : null
  info.adapter = ['merged', 'separate'].includes(String(info.adapter)) ? info.adapter : null
  info.progress = toProgress(info.progress)
  return info as unknown as WorkerInfo
}

/** The settings schema. Names and values stay unchanged, because they are sent back. */
export function toParams(json: unknown): ParamsSchema {
  if (!isObject(json)) return {}
  const title = escapeInvisible(toText(json.title) ?? '')
  if (!isObject(json.properties)) return { title }
  const fields = Object.entries(json.properties).flatMap(([name, property]) =>
    isObject(property) ? [[name, toParam(name, property)] as const] : [],
  )
  return { title, properties: Object.fromEntries(fields) }
}

function toParam(name: string, property: Json): ParamSchema {
  const { anyOf, enum: options, ...rest } = property
  return {
    ...rest,
    title: escapeInvisible(toText(property.title) ?? name),
    description: escapeInvisible(toText(property.description) ?? ''),
    ...(Array.isArray(anyOf) && { anyOf: anyOf.filter(isObject) as ParamSchema[] }),
    ...(Array.isArray(options) && { enum: options as unknown[] }),
  }
}

/** The hub's list; null if this is not one. Entries without a valid address are left out. */
export function toHubWorkers(json: unknown): HubWorker[] | null {
  if (!isObject(json) || !Array.isArray(json.workers)) return null
  return json.workers.filter(isObject).flatMap((entry) => toHubWorker(entry) ?? [])
}

function toHubWorker(entry: Json): HubWorker | null {
  const health = isObject(entry.health) ? entry.health : {}
  const url = toUrl(entry.url)
  if (url === null) return null
  return {
    id: String(entry.id),
    name: escapeInvisible(toText(entry.name) ?? ''),
    url,
    source: entry.source === 'registered' ? 'registered' : 'zoo',
    health: {
      state: (HUB_STATES.has(health.state) ? health.state : 'down') as HubState,
      progress: toProgress(health.progress),
      error: toText(escapeInvisibleDeep(health.error)),
      restarts: Number(health.restarts) || 0,
    },
  }
}

function toUrl(value: unknown): string | null {
  try {
    return normalizeUrl(String(value))
  } catch (error) {
    if (error instanceof BadUrl) return null
    throw error
  }
}

function toProgress(value: unknown): WorkerInfo['progress'] {
  if (!isObject(value)) return null
  const stage = escapeInvisible(toText(value.stage) ?? '')
  return { ...value, stage, fraction: toNumber(value.fraction) }
}

function toText(value: unknown): string | null {
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : null
}

function toNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

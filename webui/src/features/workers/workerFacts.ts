/** Describes a worker by its facts: one line for its card, and a list for its details. */
import { displayUrl } from '../../api/url'
import type { useI18n } from '../../locales/useI18n'
import { workerName } from './workersStore'
import type { Worker } from './workersStore'

export interface Fact {
  label: string
  value: string
}

type Translate = ReturnType<typeof useI18n>['t']

/** Model, size, quantization or dtype, and device, in one line. */
export function summaryOf(worker: Worker): string {
  const { info, url } = worker
  if (!info) return displayUrl(url)
  const model = shortModel(info.model)
  // A worker without a name of its own is named after its model, which need not be repeated.
  const first = model && model !== workerName(worker) ? model : displayUrl(url)
  const size = sizeOf(info.memory?.weights)
  const rest = [size, info.quantization ?? info.dtype, devicesOf(info.device_map)]
  return [first, ...rest].filter(Boolean).join(' · ')
}

/** The last part of a path or of `owner/name`. */
function shortModel(model: string | null): string {
  return (
    model
      ?.replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) ?? ''
  )
}

function devicesOf(map: Record<string, unknown> | null): string {
  return [...new Set(Object.values(map ?? {}).map(String))].join(', ')
}

/** A size in MB or GB; "" if it is unknown. */
function sizeOf(bytes: number | null | undefined): string {
  if (!bytes) return ''
  return bytes < 1e10 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}

export function aboutOf(worker: Worker, t: Translate): Fact[] {
  const { info, url } = worker
  const facts: [string, string | number | null | undefined][] = [
    [t('worker.address'), url],
    [t('worker.model'), info?.model],
    [t('worker.class'), info?.native_class],
    [t('worker.device'), devicesOf(info?.device_map ?? null)],
    [t('worker.dtype'), info?.dtype],
    [t('worker.quantization'), info?.quantization],
    [
      t('worker.adapter'),
      info?.adapter && `${info.base_model ?? ''} (${t(`adapter.${info.adapter}`)})`,
    ],
    [t('worker.weights'), sizeOf(info?.memory?.weights)],
    [t('worker.cache'), sizeOf(info?.memory?.cache)],
    [t('worker.peak'), sizeOf(info?.memory?.peak)],
    [t('worker.context'), info?.context_length],
    [t('worker.queue'), info?.queue ? t('worker.queueValue', { ...info.queue }) : null],
  ]
  return facts.flatMap(([label, value]) => (value ? [{ label, value: String(value) }] : []))
}

/** What a person does with sessions; leaving one stops what still runs in it. */
import { shallowRef } from 'vue'

import { readSessions } from '../../conversation/import/sessions'
import { exportMarkdown } from '../../conversation/export/report'
import type { Words } from '../../conversation/export/report'
import { useSession } from './sessionStore'
import { useBroadcast } from '../chat/useBroadcast'
import { download } from '../../lib/browser/download'
import { useImportFile } from './useImportFile'
import { useI18n } from '../../locales/useI18n'
import type { Session } from '../../conversation/sessions'
import { chooseFile } from '../../lib/browser/chooseFile'
import { newId } from '../../lib/browser/newId'
import { exportName } from '../../conversation/export/formats'
import type { Format } from '../../conversation/export/formats'
import { exportJson } from '../../conversation/export/json'
import { exportCsv, exportJsonl } from '../../conversation/export/rows'

/** The one that was deleted last, and whether it was open. */
const removed = shallowRef<{ session: Session; open: boolean } | null>(null)

export function useSessionActions() {
  const session = useSession()
  const { stopAll } = useBroadcast()
  const { read } = useImportFile()
  const { t } = useI18n()

  async function startNew() {
    stopAll()
    await session.startNew()
  }

  async function open(id: string) {
    if (id === session.id) return
    stopAll()
    await session.open(id)
  }

  async function remove(id: string) {
    const wasOpen = id === session.id
    if (wasOpen) stopAll()
    const gone = await session.remove(id)
    removed.value = gone && { session: gone, open: wasOpen }
  }

  async function bringBack() {
    const back = removed.value
    removed.value = null
    if (!back) return
    await session.add([back.session])
    if (back.open) await open(back.session.id)
  }

  async function save(which: string | 'all', format: Format) {
    const sessions = await session.take(which)
    const now = new Date()
    const [extension, type, text] = written(format, sessions, now)
    download(exportName(sessions, now, extension), text, type)
  }

  function written(format: Format, sessions: Session[], now: Date): [string, string, string] {
    switch (format) {
      case 'json':
        return ['json', 'application/json', exportJson(sessions, now)]
      case 'jsonl':
        return ['jsonl', 'application/jsonl', exportJsonl(sessions)]
      case 'csv':
        return ['csv', 'text/csv', exportCsv(sessions)]
      case 'markdown':
        return ['md', 'text/markdown', exportMarkdown(sessions, words())]
    }
  }

  const words = (): Words => ({
    turn: t('report.turn'),
    prompt: t('composer.label'),
    system: t('settings.system'),
    settings: t('settings.title'),
    reasoning: t('answer.reasoning'),
    version: t('report.version'),
    failed: t('error.title'),
    stopped: t('finish.cancelled'),
    pane: t('report.pane'),
    model: t('worker.model'),
    queue: t('metrics.queue'),
    ttft: t('metrics.ttft'),
    tps: t('metrics.tps'),
    tokens: t('metrics.tokens'),
    total: t('metrics.total'),
    finish: t('metrics.finish'),
  })

  /** What became of it, as a sentence; null: no file was chosen. */
  async function load(): Promise<{ text: string; failed: boolean } | null> {
    const file = await chooseFile()
    if (!file) return null
    let count = 0
    const problem = await read(file, async (text) => {
      const sessions = readSessions(text, newId, Date.now())
      await session.add(sessions)
      count = sessions.length
    })
    const failure = problem ?? session.storageError
    return failure
      ? { text: failure, failed: true }
      : { text: t('import.done', { count }), failed: false }
  }

  return { removed, startNew, open, remove, bringBack, save, load }
}

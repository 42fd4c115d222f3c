/** Actions of a person on sessions. Leaving a session stops the answers that still stream in it. */
import { shallowRef } from 'vue'
import { exportName } from '../../conversation/export/formats'
import type { Format } from '../../conversation/export/formats'
import { exportJson } from '../../conversation/export/json'
import { exportMarkdown } from '../../conversation/export/report'
import type { Words } from '../../conversation/export/report'
import { exportCsv, exportJsonl } from '../../conversation/export/rows'
import { readSessions } from '../../conversation/import/sessions'
import type { Session } from '../../conversation/sessions'
import { chooseFile } from '../../lib/browser/chooseFile'
import { download } from '../../lib/browser/download'
import { newId } from '../../lib/browser/newId'
import { useI18n } from '../../locales/useI18n'
import { useBroadcast } from '../chat/useBroadcast'
import { useSession } from './sessionStore'
import { useImportFile } from './useImportFile'

/** The session that was deleted last, and whether it was open. */
const removed = shallowRef<{ session: Session; wasOpen: boolean } | null>(null)

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
    const deleted = await session.remove(id)
    removed.value = deleted && { session: deleted, wasOpen }
  }

  async function restore() {
    const last = removed.value
    removed.value = null
    if (!last) return
    await session.add([last.session])
    if (last.wasOpen) await open(last.session.id)
  }

  async function exportFile(which: string | 'all', format: Format) {
    const sessions = await session.take(which)
    const now = new Date()
    const [extension, type, text] = fileOf(format, sessions, now)
    download(exportName(sessions, now, extension), text, type)
  }

  /** File name extension, media type and content. */
  function fileOf(format: Format, sessions: Session[], now: Date): [string, string, string] {
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

  /** Adds the sessions of a file. Returns the result in words; null if no file was chosen. */
  async function importFile(): Promise<{ text: string; failed: boolean } | null> {
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

  return { removed, startNew, open, remove, restore, exportFile, importFile }
}

/** What a person does with sessions; leaving one stops what still runs in it. */
import { useSession } from '../stores/session'
import { useBroadcast } from './useBroadcast'
import { download } from './useDownload'

export function useSessions() {
  const session = useSession()
  const { stopAll } = useBroadcast()

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
    if (id === session.id) stopAll()
    await session.remove(id)
  }

  async function save(which: string | 'all') {
    const { name, text } = await session.exported(which)
    download(name, text)
  }

  return { startNew, open, remove, save }
}

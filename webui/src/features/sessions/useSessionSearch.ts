/**
 * Filters the list of sessions by words: names and titles at once, texts of conversations as the
 * database search finds them.
 */
import { computed, ref, watch } from 'vue'
import { searchSessions } from './searchSessions'
import { useSession } from './sessionStore'

/** Delay after a key press before the texts are searched. */
const PAUSE_MS = 150

export function useSessionSearch() {
  const session = useSession()
  const query = ref('')
  const inTexts = ref(new Set<string>())
  const searching = ref(false)
  const words = computed(() => query.value.toLowerCase().split(/\s+/).filter(Boolean))

  watch(words, (searched, _before, onCleanup) => {
    let stale = false
    inTexts.value = new Set()
    searching.value = searched.length > 0
    const timer = setTimeout(look, PAUSE_MS)
    onCleanup(() => {
      stale = true
      clearTimeout(timer)
    })

    async function look() {
      if (!searched.length) return
      try {
        for await (const ids of searchSessions(searched)) {
          if (stale) return
          inTexts.value = new Set([...inTexts.value, ...ids])
        }
      } finally {
        if (!stale) searching.value = false
      }
    }
  })

  const matches = computed(() =>
    session.heads.filter(({ id, title, name, paneNames }) => {
      if (!title && !name) return false
      const text = [title, name, ...paneNames].join(' ').toLowerCase()
      return inTexts.value.has(id) || words.value.every((word) => text.includes(word))
    }),
  )

  return { query, searching, matches }
}

/** Compares two texts in a web worker. Newer texts end a comparison that is still running. */
import { onBeforeUnmount, ref, shallowRef, watch } from 'vue'
import type { Difference } from '../../lib/diff/words'
import workerUrl from '../../lib/diff/worker.ts?worker&url'

export function useDifference(texts: () => readonly [string, string] | null) {
  const difference = shallowRef<Difference | null>(null)
  const state = ref<'working' | 'ready' | 'too-long' | 'failed'>('working')
  let worker: Worker | null = null

  function end() {
    worker?.terminate()
    worker = null
  }

  watch(
    () => texts()?.join('\0'),
    () => {
      end()
      const pair = texts()
      if (!pair) return
      state.value = 'working'
      worker = new Worker(trusted(), { type: 'module' })
      worker.onmessage = ({ data }: MessageEvent<Difference | null>) => {
        difference.value = data
        state.value = data ? 'ready' : 'too-long'
        end()
      }
      worker.onerror = () => {
        state.value = 'failed'
        end()
      }
      worker.postMessage(pair)
    },
    { immediate: true },
  )
  onBeforeUnmount(end)

  return { difference, state }
}

/** The hub's Content Security Policy requires a trusted type for the address of a script. */
const policy = (
  globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): Policy } }
).trustedTypes?.createPolicy('chatzoo-worker', { createScriptURL: () => workerUrl })

interface Policy {
  createScriptURL(url: string): string
}

function trusted(): string {
  return policy ? policy.createScriptURL(workerUrl) : workerUrl
}

/** The difference of two texts, worked out in a worker of its own; the latest question counts. */
import { onBeforeUnmount, ref, shallowRef, watch } from 'vue'
import type { Difference } from '../difference/words'

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
      worker = new Worker(new URL('../difference/worker.ts', import.meta.url), { type: 'module' })
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

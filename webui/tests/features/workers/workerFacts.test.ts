import { describe, expect, it } from 'vitest'
import { aboutOf, summaryOf } from '../../../src/features/workers/workerFacts'
import type { Worker } from '../../../src/features/workers/workersStore'

interface Memory {
  weights?: number | null
  cache?: number | null
  peak?: number | null
}

function worker(memory: Memory | undefined) {
  const info = {
    name: 'Small',
    model: '/models/moss-int4/',
    native_class: 'CodeGenForCausalLM',
    device_map: { '': 'cpu' },
    dtype: 'bfloat16',
    quantization: 'gptq int4 (torch int4pack)',
    base_model: null,
    adapter: null,
    context_length: 2048,
    queue: null,
    memory,
  }
  return { url: 'http://127.0.0.1:8081', name: '', info } as unknown as Worker
}

const t = ((key: string) => key) as never

describe('a worker in words', () => {
  it('includes the size of the weights', () => {
    const found = summaryOf(worker({ weights: 113_400_000 }))
    expect(found).toBe('moss-int4 · 113 MB · gptq int4 (torch int4pack) · cpu')
  })

  it('leaves out the memory of a worker that reports none', () => {
    expect(summaryOf(worker(undefined))).toBe('moss-int4 · gptq int4 (torch int4pack) · cpu')
    expect(aboutOf(worker(undefined), t).map(({ label }) => label)).not.toContain('worker.weights')
  })

  it('lists memory by kind, without unknown kinds', () => {
    const found = aboutOf(worker({ weights: 26_400_000_000, cache: null, peak: 900_000 }), t)
    const memory = found.filter(({ label }) => /weights|cache|peak/.test(label))
    expect(memory).toEqual([
      { label: 'worker.weights', value: '26.4 GB' },
      { label: 'worker.peak', value: '1 MB' },
    ])
  })
})

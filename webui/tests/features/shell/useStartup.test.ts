// @vitest-environment jsdom
import { afterEach, expect, it, vi } from 'vitest'
import { useSession } from '../../../src/features/sessions/sessionStore'
import { useStartup } from '../../../src/features/shell/useStartup'

afterEach(() => history.replaceState(null, '', '/'))

async function started(address: string, written: string): Promise<string> {
  history.replaceState(null, '', address)
  let restored!: (value: boolean) => void
  vi.spyOn(useSession(), 'restore').mockReturnValue(new Promise((resolve) => (restored = resolve)))
  const { start, prompt } = useStartup()
  const ready = start()
  prompt.value = written
  restored(true)
  await ready
  return prompt.value
}

it('keeps a prompt that is written before the session is loaded', async () => {
  expect(await started('/', 'Hello')).toBe('Hello')
  expect(await started('/?prompt=Good%20morning', 'Hello')).toBe('Hello')
})

it('fills in the prompt of the address, and removes it from the address', async () => {
  expect(await started('/?prompt=Good%20morning', '')).toBe('Good morning')
  expect(location.search).toBe('')
})

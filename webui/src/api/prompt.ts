/** `POST /prompt` of a worker. A module of its own, because it is loaded on demand. */
import { authorization, call, readJson } from './client'
import type { Target } from './client'
import type { PromptBody, PromptInfo } from './wire'

/** The text that the model would be given for a request. Raises ApiError. */
export async function getPrompt(
  target: Target,
  body: PromptBody,
  signal: AbortSignal,
): Promise<PromptInfo> {
  const response = await call(`${target.url}/prompt`, {
    method: 'POST',
    headers: { ...authorization(target.apiKey), 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  })
  return (await readJson(response, `${target.url}/prompt`)) as PromptInfo
}

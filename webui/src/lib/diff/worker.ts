/** Web worker that compares two texts, so the page stays responsive meanwhile. */
import { compare } from './words'

addEventListener('message', ({ data }: MessageEvent<[string, string]>) => {
  postMessage(compare(...data))
})

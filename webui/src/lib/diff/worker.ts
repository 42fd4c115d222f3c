/** Compares two texts beside the page, so that it stays quick meanwhile. */
import { compare } from './words'

addEventListener('message', ({ data }: MessageEvent<[string, string]>) => {
  postMessage(compare(...data))
})

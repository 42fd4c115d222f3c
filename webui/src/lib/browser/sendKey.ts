/** Recognises the Enter key that sends a prompt, apart from the Enter of an input method. */
export function isSendKey(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) {
    return false
  }
  return !isComposing(event)
}

/**
 * Whether a key press belongs to an input method, which uses Enter to pick a candidate. Safari
 * ends the composition before it dispatches this event and marks it only by key code 229.
 */
export function isComposing({ isComposing, keyCode }: KeyboardEvent): boolean {
  return isComposing || keyCode === 229
}

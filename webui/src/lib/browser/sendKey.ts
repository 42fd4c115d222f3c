/** Enter sends, but never the Enter that picks a candidate of an input method. */

/** True when this key press means "send". */
export function isSendKey(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) {
    return false
  }
  // Safari ends the composition before this event, and says so only by 229.
  return !event.isComposing && event.keyCode !== 229
}

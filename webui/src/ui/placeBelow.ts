/** Puts a box below a button, their right edges in line; above it where there is more room. */
const GAP = 4
const EDGE = 8

export function placeBelow(box: HTMLElement, button: HTMLElement) {
  const { right, top, bottom } = button.getBoundingClientRect()
  const { clientWidth, clientHeight } = document.documentElement
  const below = clientHeight - bottom - GAP - EDGE
  const above = top - GAP - EDGE
  const up = box.offsetHeight > below && above > below
  const height = Math.min(box.offsetHeight, up ? above : below)
  const farthest = clientWidth - EDGE - box.offsetWidth
  Object.assign(box.style, {
    left: `${Math.max(EDGE, Math.min(right - box.offsetWidth, farthest))}px`,
    top: `${up ? top - GAP - height : bottom + GAP}px`,
    maxHeight: `${up ? above : below}px`,
  })
}

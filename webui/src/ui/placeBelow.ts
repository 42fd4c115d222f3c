/** Places a box below a button with aligned right edges; above it if there is more room there. */
/** px between the button and the box, and between the box and the edge of the window. */
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

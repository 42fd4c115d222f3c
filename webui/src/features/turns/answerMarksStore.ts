/**
 * Which turns of several panes belong together, and whether their answers are the same.
 *
 * A prompt that went to all panes is a turn of its own in each. Knows no network.
 */
import { defineStore } from 'pinia'
import { computed } from 'vue'
import { useArena } from '../arena/arenaStore'
import { isBusy, versionsOf } from '../../conversation/reduce'
import type { Answer, Turn } from '../../conversation/reduce'

export interface Mark {
  answer: Answer
  /** How many of the others say the same, and how many others there are. */
  same: number
  others: number
}

export const useAnswerMarks = defineStore('compare', () => {
  const arena = useArena()
  const running = computed(() => arena.busyIds.join())
  /** By turn id. While something streams they stay as they are: tokens cost nothing here. */
  const marks = computed(() => {
    void (running.value || arena.revision)
    return marksOf(arena.panes.map(({ id }) => arena.stateNow(id).turns))
  })
  return { marks }
})

/** One's own turn in another pane: the same prompt, at nearly the same time, seen from both. */
export function counterpart(
  turn: Turn,
  own: readonly Turn[],
  other: readonly Turn[],
): Turn | undefined {
  const found = nearest(turn, other)
  return found && nearest(found, own)?.id === turn.id ? found : undefined
}

function nearest(turn: Turn, turns: readonly Turn[]): Turn | undefined {
  const gap = (other: Turn) => Math.abs(askedAt(other) - askedAt(turn))
  return turns
    .filter(({ prompt }) => prompt === turn.prompt)
    .reduce<Turn | undefined>(
      (best, next) => (best && gap(best) <= gap(next) ? best : next),
      undefined,
    )
}

/** When the prompt was first sent; asking again changes nothing about that. */
export function askedAt(turn: Turn): number {
  return Math.min(...versionsOf(turn).map(({ sentAt }) => sentAt))
}

/** Marks of turns that have ended in all panes that have them, two at least. */
export function marksOf(panes: readonly (readonly Turn[])[]): Map<string, Mark> {
  const marks = new Map<string, Mark>()
  for (const own of panes) {
    for (const turn of own) {
      const others = panes
        .filter((other) => other !== own)
        .map((other) => counterpart(turn, own, other)?.answer)
        .filter((answer) => answer !== undefined)
      const { answer } = turn
      if ([answer, ...others].some(isBusy)) continue
      const said = others.filter(isComparable)
      if (!isComparable(answer) || !said.length) continue
      const text = answer.text.trim()
      const same = said.filter((other) => other.text.trim() === text).length
      marks.set(turn.id, { answer, same, others: said.length })
    }
  }
  return marks
}

/** Where nothing came there is nothing to compare, unless the model meant it so. */
export function isComparable({ text, status }: Answer): boolean {
  return text !== '' || status === 'done'
}

/**
 * Finds which turns of several panes answer the same prompt, and which of them gave the same answer.
 *
 * A prompt sent to all panes becomes a separate turn in each, without a common id. Two turns belong
 * together if their prompts are equal and each is the other's nearest in time, so a prompt that was
 * sent twice is matched with the right one.
 */
import { isBusy, versionsOf } from './turns'
import type { Answer, Turn } from './turns'

export interface Mark {
  answer: Answer
  /** Number of other panes with the same text, and number of other panes compared. */
  same: number
  others: number
}

/** The turn in `otherTurns` that belongs to `turn`, one of `ownTurns`; undefined if none does. */
export function counterpart(
  turn: Turn,
  ownTurns: readonly Turn[],
  otherTurns: readonly Turn[],
): Turn | undefined {
  const match = nearest(turn, otherTurns)
  return match && nearest(match, ownTurns)?.id === turn.id ? match : undefined
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

/** When the prompt was first sent; regenerating an answer does not change it. */
export function askedAt(turn: Turn): number {
  return Math.min(...versionsOf(turn).map(({ sentAt }) => sentAt))
}

/** Marks by turn id, for turns that at least two panes have and that have ended in all of them. */
export function marksOf(panes: readonly (readonly Turn[])[]): Map<string, Mark> {
  const marks = new Map<string, Mark>()
  for (const turns of panes) {
    for (const turn of turns) {
      const others = panes
        .filter((otherTurns) => otherTurns !== turns)
        .map((otherTurns) => counterpart(turn, turns, otherTurns)?.answer)
        .filter((answer) => answer !== undefined)
      const { answer } = turn
      if ([answer, ...others].some(isBusy)) continue
      const compared = others.filter(isComparable)
      if (!isComparable(answer) || !compared.length) continue
      const text = answer.text.trim()
      const same = compared.filter((other) => other.text.trim() === text).length
      marks.set(turn.id, { answer, same, others: compared.length })
    }
  }
  return marks
}

/** An empty text counts only if the model ended its answer that way, not if it was stopped. */
export function isComparable({ text, status }: Answer): boolean {
  return text !== '' || status === 'done'
}

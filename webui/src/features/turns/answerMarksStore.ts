/** Holds, for each turn, whether the other panes gave the same answer to its prompt. */
import { defineStore } from 'pinia'
import { computed } from 'vue'
import { marksOf } from '../../conversation/matching'
import { useArena } from '../arena/arenaStore'

export const useAnswerMarks = defineStore('answerMarks', () => {
  const arena = useArena()
  const running = computed(() => arena.busyIds.join())
  /**
   * By turn id. While an answer streams, this depends on the set of busy panes only, not on the
   * revision: comparing all answers again at each token would cost too much.
   */
  const marks = computed(() => {
    void (running.value || arena.revision)
    return marksOf(arena.panes.map(({ id }) => arena.stateNow(id).turns))
  })
  return { marks }
})

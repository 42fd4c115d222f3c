/** Panes as data: which worker one shows, with which settings, and its conversation. */
import type { ParamValues } from '../api/wire'
import type { Turn } from './turns'

/** More panes than this neither fit on a large screen nor keep up with their streams. */
export const MAX_PANES = 12

export type Layout = 'columns' | 'rows'

export interface Pane {
  id: string
  workerUrl: string
  /** Kept, so that an old session can name a worker that is no longer registered. */
  workerName: string
  /** Only values that differ from the worker's defaults. */
  settings: ParamValues
  system: string
  /** Whether prompts to all panes skip this one. */
  muted?: boolean
  /** Share of the width, or in rows of the height, relative to the other panes; 1 by default. */
  size?: number
}

export interface StoredPane extends Pane {
  turns: readonly Turn[]
}

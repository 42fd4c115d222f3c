/**
 * Limits what a text can cost, whatever it nests or leaves open: parsing time stays proportional to
 * its length, and the depth of the resulting nodes stays bounded.
 *
 * No text is lost by a limit: what lies deeper is shown as it was written.
 */
import type MarkdownIt from 'markdown-it'
import type { StateBlock, StateCore, StateInline, Token } from 'markdown-it'

/** Levels of blocks, by markdown-it's count: a quote is one level, a list two. */
const DEEPEST_BLOCK = 40
const DEEPEST_INLINE = 20
/** Levels of HTML in highlighted code or a formula. */
const DEEPEST_HTML = 200
/**
 * Failed attempts of a rule in one text. Each attempt searches the rest of the text for the closing
 * sign, so n openings without one would cost n² steps.
 */
const UNCLOSED = 100

export function limit(md: MarkdownIt): void {
  limitBlocks(md)
  md.core.ruler.after('inline', 'limit_inline', limitInline)
  limitUnclosed(md.inline.ruler, 'math_inline_bracket', '\\(')
  limitUnclosed(md.block.ruler, 'math_block_bracket', '\\[')
}

/** Below the limit, a block becomes a paragraph. markdown-it's own `maxNesting` would drop its text. */
function limitBlocks({ block }: MarkdownIt) {
  const tokenize = block.tokenize.bind(block)
  block.tokenize = (state, start, end) => {
    if (state.level < DEEPEST_BLOCK) return tokenize(state, start, end)
    const map: [number, number] = [start, end]
    state.push('paragraph_open', 'p', 1).map = map
    const text = state.push('inline', '', 0)
    text.content = state.getLines(start, end, state.blkIndent, false).trim()
    text.map = map
    text.children = []
    state.push('paragraph_close', 'p', -1)
    state.line = end
  }
}

function limitInline({ tokens }: StateCore) {
  for (const { children } of tokens) {
    for (const token of children ?? []) {
      if (token.nesting !== 0 && token.level >= DEEPEST_INLINE) toText(token)
    }
  }
}

/** Whether HTML of highlighted code or of a formula nests deeper than the limit. */
export function isTooDeep(html: string): boolean {
  let depth = 0
  for (const [, closing, selfClosing] of html.matchAll(/<(\/?)[a-z][^>]*?(\/?)>/gi)) {
    if (closing) depth--
    else if (!selfClosing && ++depth > DEEPEST_HTML) return true
  }
  return false
}

/** Shows the signs of a markup token, such as `**`, as text. */
function toText(token: Token) {
  token.content = token.markup
  token.type = 'text'
  token.tag = ''
  token.nesting = 0
}

/** The parts of markdown-it's rulers that are used here; they are not in its types. */
interface Rule {
  name: string
  fn: (state: State, ...rest: number[]) => boolean
  alt: string[]
}
interface Ruler {
  __rules__: Rule[]
  at: (name: string, fn: Rule['fn'], options: { alt: string[] }) => void
}
type State = StateBlock | StateInline

/** Replaces a rule by one that gives up in a text after UNCLOSED failures. */
function limitUnclosed(ruler: unknown, name: string, opening: string) {
  const { __rules__: rules, at } = ruler as Ruler
  const { fn, alt } = rules.find((rule) => rule.name === name)!
  const failures = new WeakMap<State, number>()
  const limited: Rule['fn'] = (state, ...rest) => {
    if (!state.src.startsWith(opening, placeOf(state, rest[0]!))) return false
    const failed = failures.get(state) ?? 0
    if (failed >= UNCLOSED) return false
    const matched = fn(state, ...rest)
    if (!matched) failures.set(state, failed + 1)
    return matched
  }
  at.call(ruler, name, limited, { alt })
}

function placeOf(state: State, line: number): number {
  return 'bMarks' in state ? state.bMarks[line]! + state.tShift[line]! : state.pos
}

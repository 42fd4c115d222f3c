/** Cuts a prompt into text, special tokens and invisible characters, which are shown differently. */
export interface PromptPiece {
  kind: 'text' | 'special' | 'hidden'
  text: string
}

/** Special tokens that chat templates write; a person may have typed the same text. */
const SPECIAL =
  /<[|｜][^|｜<>\n]{1,40}[|｜]>|<\/?(?:s|bos|eos|pad|unk|cls|sep|think|sop|eop|eo[a-z]|(?:start|end)_of_turn)>|<<\/?SYS>>|\[\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|gMASK|MASK|CLS|SEP)\]/
    .source
/** Characters that are not drawn, or that reorder the text around them. */
const HIDDEN = /(?![\t\n])[\p{Cc}\p{Cf}\u2028\u2029]/u.source
const PIECES = new RegExp(`(${SPECIAL})|(${HIDDEN})`, 'gu')

export function promptPieces(prompt: string): PromptPiece[] {
  const pieces: PromptPiece[] = []
  let end = 0
  for (const match of prompt.matchAll(PIECES)) {
    const [piece, special] = match
    if (match.index > end) pieces.push({ kind: 'text', text: prompt.slice(end, match.index) })
    pieces.push(
      special ? { kind: 'special', text: special } : { kind: 'hidden', text: code(piece) },
    )
    end = match.index + piece.length
  }
  if (end < prompt.length) pieces.push({ kind: 'text', text: prompt.slice(end) })
  return pieces
}

function code(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}

/**
 * Cuts bytes into lines of text, as they come. What it holds is bounded: of a line that is too long nothing is kept, and a
 * line that never ends is reported when it gets too long, not at its end.
 *
 * A line ends with "\n" or "\r\n", the last one also without. A byte order mark before a line is dropped. Lines are counted
 * from 1, blank ones included, and blank ones are left out.
 */

/** A line, or why it is none. */
export type Line =
  | { readonly number: number; readonly bytes: number; readonly text: string }
  | { readonly number: number; readonly bytes: number; readonly problem: string }

export interface Lines {
  /** The lines that end in this piece. */
  readonly push: (piece: Uint8Array) => ReadonlyArray<Line>
  /** The last line, when nothing comes any more. */
  readonly end: () => ReadonlyArray<Line>
}

const newline = 10

export const make = (limit: number): Lines => {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let held: Array<Uint8Array> = []
  let bytes = 0
  let number = 1
  let tooLong = false

  const hold = (piece: Uint8Array, lines: Array<Line>) => {
    bytes += piece.length
    if (bytes <= limit) held.push(piece)
    else if (!tooLong) {
      tooLong = true
      held = []
      lines.push({
        number,
        bytes: 0,
        problem: `it is longer than ${limit} bytes. Make it shorter, or pass the name of a file.`
      })
    }
  }

  const finish = (lines: Array<Line>) => {
    if (!tooLong && bytes > 0) {
      try {
        const text = decoder.decode(held.length === 1 ? held[0] : Buffer.concat(held))
        if (text.trim() !== "") lines.push({ number, bytes, text })
      } catch {
        lines.push({ number, bytes: 0, problem: "it is not valid UTF-8. Write the input in UTF-8." })
      }
    }
    held = []
    bytes = 0
    number += 1
    tooLong = false
  }

  return {
    push: (piece) => {
      const lines: Array<Line> = []
      let from = 0
      for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, from)) {
        hold(piece.subarray(from, at), lines)
        finish(lines)
        from = at + 1
      }
      if (from < piece.length) hold(piece.subarray(from), lines)
      return lines
    },
    end: () => {
      const lines: Array<Line> = []
      finish(lines)
      return lines
    }
  }
}

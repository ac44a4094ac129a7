import { Transform, type TransformCallback } from 'node:stream'

const star = 0x2a
const newline = 0x0a

/** From a byte up to another, which is not of it. */
type Span = readonly [from: number, to: number]

/** Puts stars in the place of each occurrence of a form; lengths stay what they are. */
export interface Scrubber {
  /** The bytes of this chunk, and those held back before, as far as no form can have begun in them. */
  push(chunk: Buffer): Buffer
  /** What was held back: the end of the body. */
  end(): Buffer
  /** Occurrences so far. */
  readonly found: number
}

/**
 * Holds back the end of what has come, as long as a form may have begun in it: whatever it is, since a caller who has a
 * vendor repeat a guess must not see by what comes late that the guess is right. A form has no newline, so that lines,
 * such as events, go on as they come. `formsNow`: another key may be taken while they come.
 */
export function createScrubber(formsNow: () => readonly Buffer[]): Scrubber {
  let held: Buffer = Buffer.alloc(0)
  /** So many of the held bytes are the end of a form that began before them. */
  let masked = 0
  let found = 0

  /** Of the forms that begin before `end`; what overlaps itself is one span, since every byte may begin another. */
  const spansIn = (bytes: Buffer, end: number, forms: readonly Buffer[]): readonly Span[] => {
    const spans: Span[] = []
    for (const form of forms) {
      let [from, to] = [0, 0]
      for (let at = bytes.indexOf(form); at >= 0 && at < end; at = bytes.indexOf(form, at + 1)) {
        found += 1
        if (at > to) {
          spans.push([from, to])
          from = at
        }
        to = at + form.length
      }
      spans.push([from, to])
    }
    return spans
  }
  return {
    push(chunk) {
      const forms = formsNow()
      const longest = Math.max(1, ...forms.map(({ length }) => length))
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const cut = Math.max(bytes.lastIndexOf(newline) + 1, bytes.length - longest + 1, 0)
      // One that begins in what is held back is found again.
      const spans: readonly Span[] = [[0, masked], ...spansIn(bytes, cut, forms)]
      held = Buffer.from(bytes.subarray(cut))
      masked = spans.reduce((most, [, to]) => Math.max(most, to - cut), 0)
      return withStars(bytes.subarray(0, cut), spans)
    },
    end() {
      const rest = withStars(held, [[0, masked], ...spansIn(held, held.length, formsNow())])
      held = Buffer.alloc(0)
      masked = 0
      return rest
    },
    get found() {
      return found
    },
  }
}

function withStars(bytes: Buffer, spans: readonly Span[]): Buffer {
  if (spans.every(([from, to]) => from === to)) return bytes
  const copy = Buffer.from(bytes)
  for (const [from, to] of spans)
    copy.fill(star, Math.min(from, copy.length), Math.min(to, copy.length))
  return copy
}

/** A header's value, or another short text in latin1. */
export function scrubText(text: string, forms: readonly Buffer[]): string {
  const scrubber = createScrubber(() => forms)
  const start = scrubber.push(Buffer.from(text, 'latin1'))
  return Buffer.concat([start, scrubber.end()]).toString('latin1')
}

/** As a stream; `heard` is called at the end where something was found. */
export function scrubbing(
  formsNow: () => readonly Buffer[],
  heard: (found: number) => void,
): Transform {
  const scrubber = createScrubber(formsNow)
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      const bytes = scrubber.push(chunk)
      if (bytes.length > 0) this.push(bytes)
      done()
    },
    flush(done) {
      const bytes = scrubber.end()
      if (bytes.length > 0) this.push(bytes)
      if (scrubber.found > 0) heard(scrubber.found)
      done()
    },
  })
}

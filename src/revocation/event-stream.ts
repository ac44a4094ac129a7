import { CountersignError } from '../errors.ts'

/** A line is no longer: the largest message, and its name. */
const maxLine = 128 << 10

/** The `data` of each event of a stream (HTML Living Standard §9.2.6), which is ASCII here. Throws `feed-line`. */
export async function* eventsOf(
  chunks: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<string> {
  let rest = ''
  let data = ''
  for await (const chunk of chunks) {
    rest += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1')
    let from = 0
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n', from)) {
      const line = rest.slice(from, rest[end - 1] === '\r' ? end - 1 : end)
      from = end + 1
      if (line === '') {
        if (data !== '') yield data
        data = ''
      } else if (line.startsWith('data:')) {
        data += line.slice(line[5] === ' ' ? 6 : 5)
      }
    }
    rest = rest.slice(from)
    if (rest.length + data.length > maxLine) {
      throw new CountersignError('unauthenticated', 'a line of the feed is too long', {
        reason: 'feed-line',
      })
    }
  }
}

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'

/**
 * The document at an https URL, of at most `maxBytes`, from a server whose certificate Node believes, whatever the
 * environment says of TLS and of proxies; a redirect is not followed. Rejects with what is in the way.
 */
export async function fetchDocument(
  url: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  const sent = request(url, { rejectUnauthorized: true, agent: false, signal })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) {
    response.destroy()
    throw new Error(`status ${response.statusCode}`)
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new Error('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

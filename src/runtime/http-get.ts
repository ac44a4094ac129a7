import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { CountersignError } from '../errors.ts'
import { answerTo } from './answer-to.ts'

/** How it is asked for; `agent: false` asks no proxy that the environment names. */
type GetOptions = Pick<RequestOptions, 'agent' | 'headers'> & { readonly signal: AbortSignal }

/**
 * The answer to a GET, over https from a server whose certificate Node believes, whatever the environment says of TLS. A
 * redirect is not followed. Rejects with what is in the way, and with `unavailable` `http-status` where it is not 200.
 */
export async function httpGet(url: string | URL, options: GetOptions): Promise<IncomingMessage> {
  const isPlain = new URL(url).protocol === 'http:'
  const sent = isPlain
    ? httpRequest(url, options)
    : httpsRequest(url, { ...options, rejectUnauthorized: true })
  sent.end()
  const response = await answerTo(sent)
  if (response.statusCode === 200) return response
  response.destroy()
  throw new CountersignError('unavailable', `status ${response.statusCode}`, {
    reason: 'http-status',
  })
}

/** As `httpGet`: a text of at most `maxBytes`; more is `invalid` `http-too-large`. */
export async function fetchDocument(
  url: string | URL,
  maxBytes: number,
  options: GetOptions,
): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of (await httpGet(url, options)) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) {
      throw new CountersignError('invalid', `more than ${maxBytes} bytes`, {
        reason: 'http-too-large',
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

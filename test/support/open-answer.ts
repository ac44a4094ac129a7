import type { ClientHttp2Session } from 'node:http2'
import { type Agent, request } from 'node:https'
import type { Readable } from 'node:stream'

/** An answer that is on its way. */
export interface OpenAnswer {
  /** What has come by now. */
  readonly text: string
  /** How it ended; undefined: it has not. */
  readonly end: 'whole' | 'cut off' | undefined
}

/** Over HTTP/1.1, to localhost. */
export async function openAnswer(
  port: number,
  agent: Agent,
  path: string,
  token: string,
): Promise<OpenAnswer> {
  const headers = { authorization: `Bearer ${token}` }
  const sent = request({ host: 'localhost', port, agent, path, headers })
  sent.end()
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => resolve(reading(response)))
  })
}

/** Over this session of HTTP/2. */
export function openHttp2Answer(
  session: ClientHttp2Session,
  path: string,
  token: string,
): OpenAnswer {
  return reading(session.request({ ':path': path, authorization: `Bearer ${token}` }))
}

function reading(answer: Readable): OpenAnswer {
  const chunks: string[] = []
  let end: OpenAnswer['end']
  answer.on('data', (chunk) => chunks.push(String(chunk)))
  answer.on('error', () => {
    end = 'cut off'
  })
  answer.on('end', () => {
    end = 'whole'
  })
  return {
    get text() {
      return chunks.join('')
    },
    get end() {
      return end
    },
  }
}

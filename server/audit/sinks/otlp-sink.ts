import { readFileSync, statSync } from 'node:fs'
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { answerTo } from '../../../src/runtime/answer-to.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { checkPrivateFile } from '../../../src/runtime/private-file.ts'
import { otlpRequest } from './otlp-request.ts'
import type { Sink } from './sink.ts'
import { tlsTrusting } from './trusted-cas.ts'

export interface OtlpSettings {
  /** Of the logs alone, such as `https://collector.example.org:4318/v1/logs`. */
  readonly url: string
  /** PEM file of the CAs that the collector's certificate may come from; undefined: the Web's. */
  readonly ca: string | undefined
  /** A file whose content is sent as a bearer token; read anew for each request. */
  readonly tokenFile: string | undefined
}

const answerMs = 10_000
const maxAnswerBytes = 64 << 10
const answerSchema = z.object({
  partialSuccess: z
    .object({
      rejectedLogRecords: z.coerce.number().optional(),
      errorMessage: z.string().optional(),
    })
    .optional(),
})

/** OTLP over HTTP with JSON. What is not answered with 200 is sent again; a redirect is not followed. */
export function otlpSink(settings: OtlpSettings, chain: string, log: Log): Sink {
  const secure = settings.url.startsWith('https:')
  const options = { keepAlive: true, maxSockets: 1 }
  const agent = secure
    ? new HttpsAgent({
        ...options,
        ...tlsTrusting(settings.ca),
        maxCachedSessions: 0,
        rejectUnauthorized: true,
      })
    : new HttpAgent(options)
  return {
    settleMs: 0,
    async send(lines, signal) {
      const body = Buffer.from(JSON.stringify(otlpRequest(lines, chain)))
      const request = (secure ? requestHttps : requestHttp)(settings.url, {
        method: 'POST',
        agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          ...authorization(settings.tokenFile),
        },
      })
      request.end(body)
      const response = await answerTo(request)
      checkAnswer(response.statusCode, await readBody(response), log)
    },
    close: () => agent.destroy(),
  }
}

function authorization(tokenFile: string | undefined): Readonly<Record<string, string>> {
  if (tokenFile === undefined) return {}
  checkPrivateFile(tokenFile, statSync(tokenFile), 'audit-sink-token-mode')
  return { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` }
}

async function readBody(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    if (text.length > maxAnswerBytes) throw refused(`more than ${maxAnswerBytes} bytes`)
  }
  return text
}

function checkAnswer(status: number | undefined, text: string, log: Log): void {
  if (status !== 200) throw refused(`HTTP status ${status}`)
  let said: z.infer<typeof answerSchema> | undefined
  try {
    said = answerSchema.safeParse(JSON.parse(text === '' ? '{}' : text)).data
  } catch {
    throw refused('something that is no JSON')
  }
  const { rejectedLogRecords = 0, errorMessage } = said?.partialSuccess ?? {}
  // Must not be sent again: the collector would take the others twice.
  if (rejectedLogRecords > 0) {
    log.error('an OTLP collector has refused records', { rejectedLogRecords, errorMessage })
  }
}

function refused(what: string): CountersignError {
  return new CountersignError('unavailable', `the OTLP collector answers with ${what}`, {
    reason: 'audit-sink-refused',
  })
}

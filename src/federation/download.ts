import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { MAX_DOCUMENT_BYTES } from '../bundle/jwk-set.ts'
import { CountersignError } from '../errors.ts'

const maxHeaderBytes = 16_384

/** What is sent, with what proves who sends it. */
export interface Post {
  readonly body: string
  /** JSON unless told. */
  readonly contentType?: string
  readonly authorization: string | undefined
  /** The answers that are read, by status: 201 unless told. */
  readonly statuses?: readonly number[]
}

export interface Download {
  readonly status: number
  readonly text: string
}

/**
 * GETs, or has by a POST, a document of at most 1 MiB of UTF-8 over a connection, which is good for nothing afterwards.
 * Redirects are not followed. Nothing of the answer, but its status, is in an error or its causes: it may be
 * that of a server which was never to be asked. Throws `unavailable` (`federation-http`,
 * `federation-status`, `federation-redirect`), `invalid` (`federation-encoding`, `bundle-too-large`,
 * `bundle-malformed`).
 */
export function download(socket: TLSSocket, url: URL, post?: Post): Promise<Download> {
  // Not by `import`, which would load Node's whole fetch along.
  const { request } = process.getBuiltinModule('node:http')
  return new Promise((resolve, reject) => {
    const sent = request({
      createConnection: () => socket,
      method: post === undefined ? 'GET' : 'POST',
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        accept: 'application/json',
        connection: 'close',
        ...(post !== undefined && {
          ...(post.authorization !== undefined && { authorization: post.authorization }),
          'content-type': post.contentType ?? 'application/json',
        }),
      },
      maxHeaderSize: maxHeaderBytes,
    })
    sent.on('error', () => reject(broken()))
    sent.on('response', (response) => {
      response.on('error', () => {})
      bodyOf(response, post === undefined ? [200] : (post.statuses ?? [201])).then(resolve, reject)
    })
    sent.end(post?.body)
  })
}

async function bodyOf(response: IncomingMessage, expected: readonly number[]): Promise<Download> {
  checkHead(response, expected)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_DOCUMENT_BYTES) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof CountersignError ? error : broken()
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return { status: response.statusCode ?? 0, text }
  } catch {
    throw new CountersignError('invalid', 'the document is not UTF-8', {
      reason: 'bundle-malformed',
    })
  }
}

function checkHead(
  { statusCode: status = 0, headers }: IncomingMessage,
  expected: readonly number[],
): void {
  if (status >= 300 && status < 400) {
    throw new CountersignError('unavailable', 'the endpoint leads elsewhere', {
      reason: 'federation-redirect',
      fix: 'name the URL where the document is served: redirects are not followed',
    })
  }
  if (!expected.includes(status)) {
    throw new CountersignError('unavailable', `the endpoint answered with status ${status}`, {
      reason: 'federation-status',
    })
  }
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new CountersignError(
      'invalid',
      'the document came in an encoding that was not asked for',
      {
        reason: 'federation-encoding',
      },
    )
  }
  if (Number(headers['content-length'] ?? 0) > MAX_DOCUMENT_BYTES) throw tooLarge()
}

function tooLarge(): CountersignError {
  return new CountersignError('invalid', `a document has at most ${MAX_DOCUMENT_BYTES} bytes`, {
    reason: 'bundle-too-large',
  })
}

/** Without the cause: the parser of HTTP keeps the bytes that it could not read. */
function broken(): CountersignError {
  return new CountersignError('unavailable', 'the answer of the endpoint is broken', {
    reason: 'federation-http',
  })
}

import type { TLSSocket } from 'node:tls'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Of a refusal by the broker. */
  readonly reason: string | undefined
}

/** Reads until the connection ends or the answer is whole, as far as its head tells. */
export function readAnswer(socket: TLSSocket, headOnly = false): Promise<string> {
  let text = ''
  return new Promise((resolve) => {
    const done = (): void => {
      resolve(text)
      socket.destroy()
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (isWhole(text, headOnly)) done()
    })
    socket.once('close', done)
  })
}

function isWhole(text: string, headOnly: boolean): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0 || text.startsWith('HTTP/1.1 100')) return false
  const head = text.slice(0, end).toLowerCase()
  if (headOnly || /^http\/1\.1 (?:204|304)/.test(head)) return true
  if (head.includes('transfer-encoding: chunked')) return text.endsWith('0\r\n\r\n')
  const length = /content-length: (\d+)/.exec(head)?.[1]
  return length !== undefined && text.length >= end + 4 + Number(length)
}

export function parseReply(text: string): Reply {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
  const rest = text.slice(end + 4)
  const body =
    headers['transfer-encoding'] === 'chunked'
      ? rest.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n|\r\n$/g, '')
      : rest
  return {
    status: Number(first.split(' ')[1] ?? 0),
    headers,
    body,
    reason: headers['countersign-refusal'],
  }
}

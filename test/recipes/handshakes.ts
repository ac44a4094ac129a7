import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Source } from '../../src/workload-api/x509-source.ts'
import { toPem } from '../../src/x509/pem.ts'
import { shownBy } from '../support/shown.ts'

/** What came of many handshakes, each on a connection of its own. */
export interface Handshakes {
  readonly done: number
  readonly failures: readonly string[]
  /** How many certificates the other side has shown. */
  readonly certificates: number
}

/**
 * Connects again and again, checks the other side's certificate, shows our own, asks, and takes an
 * answer for success: under TLS 1.3 the other side looks at ours after the handshake is done for us.
 */
export async function shakeHands(
  source: X509Source,
  port: number,
  request: string,
  answer: RegExp,
  over: () => boolean,
): Promise<Handshakes> {
  const failures: string[] = []
  const certificates = new Set<string>()
  let done = 0
  const loop = async (): Promise<void> => {
    while (!over()) {
      try {
        certificates.add(await shakeOnce(source, port, request, answer))
        done += 1
      } catch (error) {
        failures.push(String(error))
      }
      await pause(10)
    }
  }
  await Promise.all([loop(), loop()])
  return { done, failures, certificates: certificates.size }
}

/** The number of the certificate that the other side has shown. */
export function shakeOnce(
  source: X509Source,
  port: number,
  request: string,
  answer: RegExp,
): Promise<string> {
  const bundle = source.bundleOf(TrustDomain.parse('example.org'))
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ...shownBy(source.svid()),
    ca: bundle?.x509Authorities.map(({ certificate }) => toPem('CERTIFICATE', certificate)) ?? [],
  })
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer in 5 s')))
    socket.once('secureConnect', () => socket.write(request))
    socket.on('data', (chunk) => {
      text += String(chunk)
      if (!answer.test(text)) return
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? '')
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`closed after: ${text.slice(0, 200)}`)))
  })
}

/** The same by a script of the page, which runs once for each connection. */
export async function runAgain(
  script: string,
  answer: string,
  over: () => boolean,
): Promise<Handshakes> {
  const failures: string[] = []
  let done = 0
  while (!over()) {
    try {
      const { stdout } = await promisify(execFile)('sh', ['-c', script], { timeout: 10_000 })
      if (stdout.trim() !== answer) throw new Error(`it said ${stdout}`)
      done += 1
    } catch (error) {
      failures.push(String(error))
    }
  }
  return { done, failures, certificates: 0 }
}

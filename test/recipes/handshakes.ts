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
  over: (so: Handshakes) => boolean,
): Promise<Handshakes> {
  const failures: string[] = []
  const certificates = new Set<string>()
  let done = 0
  const counted = (): Handshakes => ({ done, failures, certificates: certificates.size })
  const loop = async (): Promise<void> => {
    while (!over(counted())) {
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
  return counted()
}

/** The exit code of a script whose files are gone when it is done. */
const tooSlow = 99

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
    socket.setTimeout(30_000, () => socket.destroy(new Error('no answer in 30 s')))
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

/**
 * The same by a script of the page, which runs once for each connection. Its files are those of one version, `$d`, which
 * goes at the next switch but one: where a busy machine was as slow as that, what came of it does not count.
 */
export async function runAgain(
  script: string,
  answer: string,
  over: (so: Handshakes) => boolean,
): Promise<Handshakes> {
  const failures: string[] = []
  let done = 0
  const whole = `${script}\ncode=$?\n[ -d "$d" ] || exit ${tooSlow}\nexit $code`
  const counted = (): Handshakes => ({ done, failures, certificates: 0 })
  while (!over(counted())) {
    try {
      const { stdout } = await promisify(execFile)('sh', ['-c', whole], { timeout: 60_000 })
      if (stdout.trim() !== answer) throw new Error(`it said ${stdout}`)
      done += 1
    } catch (error) {
      if ((error as { code?: unknown }).code !== tooSlow) failures.push(String(error))
    }
  }
  return counted()
}

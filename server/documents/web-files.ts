import { readFileSync, statSync } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import { CountersignError } from '../../src/errors.ts'
import { contextOptions } from '../../src/mtls/context.ts'
import { every } from '../../src/runtime/clock.ts'
import { checkPrivateFile } from '../../src/runtime/private-file.ts'
import type { TlsSource } from './serve-web.ts'

const reloadMs = 60_000

/** PEM files of a certificate, the chain below it, and its key. */
export interface WebFiles {
  readonly certificate: string
  readonly key: string
}

/**
 * The certificate in these files, which are renewed in place: new connections see the new one within a
 * minute. `setting` is where the operator named them. Reading throws `invalid` `NAME-certificate` and
 * `forbidden` `NAME-key-mode`.
 */
export function tlsFromFiles(files: WebFiles, name: string, setting: string): TlsSource {
  return {
    options: () => readFiles(files, name, setting),
    onChange: (listener) => every(reloadMs, listener),
  }
}

function readFiles(files: WebFiles, name: string, setting: string): SecureContextOptions {
  try {
    checkPrivateFile(files.key, statSync(files.key), `${name}-key-mode`)
    return {
      ...contextOptions(undefined, { minVersion: 'TLSv1.2', alpn: [] }),
      cert: readFileSync(files.certificate),
      key: readFileSync(files.key),
    }
  } catch (error) {
    if (error instanceof CountersignError) throw error
    throw new CountersignError('invalid', `the certificate of ${setting} cannot be read`, {
      reason: `${name}-certificate`,
      fix: `let ${setting}.certificate and ${setting}.key name PEM files that this process may read`,
      cause: error,
    })
  }
}

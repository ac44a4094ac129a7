import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
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
  const refuse = (message: string, fix: string, cause: unknown): never => {
    throw new CountersignError('invalid', message, { reason: `${name}-certificate`, fix, cause })
  }
  const read = (part: keyof WebFiles): Buffer => {
    try {
      if (part === 'key') checkPrivateFile(files.key, statSync(files.key), `${name}-key-mode`)
      return readFileSync(files[part])
    } catch (error) {
      if (error instanceof CountersignError) throw error
      const what = `${setting}.${part} ${files[part]} cannot be read (${codeOf(error)})`
      return refuse(what, 'name a PEM file that is there and that this process may read', error)
    }
  }
  const options = {
    ...contextOptions(undefined, { minVersion: 'TLSv1.2', alpn: [] }),
    cert: read('certificate'),
    key: read('key'),
  }
  try {
    createSecureContext(options)
  } catch (error) {
    const what = `${setting}.certificate and ${setting}.key cannot be used together (${codeOf(error)})`
    refuse(
      what,
      'name a certificate in PEM, the chain below it, and the key of that certificate',
      error,
    )
  }
  return options
}

/** Such as `ENOENT`, or `ERR_OSSL_X509_KEY_VALUES_MISMATCH`. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'malformed'
}

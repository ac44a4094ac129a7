import { readFileSync } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import { CountersignError } from '../../../src/errors.ts'
import { contextOptions } from '../../../src/mtls/context.ts'

/** TLS to a sink: whom it has to be certified by (a PEM file; undefined: the Web's CAs). Throws `invalid` `audit-sink-ca`. */
export function tlsTrusting(ca: string | undefined): SecureContextOptions {
  const options = contextOptions(undefined, { minVersion: 'TLSv1.2', alpn: [] })
  try {
    return { ...options, ca: ca === undefined ? undefined : readFileSync(ca) }
  } catch (cause) {
    throw new CountersignError('invalid', `cannot read ${ca}`, {
      reason: 'audit-sink-ca',
      fix: 'let ca of the audit sink name a PEM file that the server may read',
      cause,
    })
  }
}

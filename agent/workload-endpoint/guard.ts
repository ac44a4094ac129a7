import type { Metadata } from '@grpc/grpc-js'
import { CountersignError } from '../../src/errors.ts'

const header = 'workload.spiffe.io'
const healthPrefix = '/grpc.health.v1.Health/'

/**
 * Workload Endpoint §3: every request carries the header, once, with the value `true`. Health checks
 * are free of it, since the probes that everyone has cannot send it, and they tell nothing of a caller.
 */
export function checkSecurityHeader(method: string, metadata: Metadata): void {
  if (method.startsWith(healthPrefix)) return
  const values = metadata.get(header)
  if (values.length === 1 && values[0] === 'true') return
  throw new CountersignError('invalid', 'security header missing from request', {
    reason: 'security-header',
    fix: `send the metadata ${header}: true`,
  })
}

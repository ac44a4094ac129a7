import type { Metadata } from '@grpc/grpc-js'
import { CountersignError } from '../../src/errors.ts'

const header = 'workload.spiffe.io'
/** The probes and proxies that everyone has cannot send the header. */
const free = ['/grpc.health.v1.Health/', '/envoy.service.secret.v3.SecretDiscoveryService/']
/** What a browser adds to a request that a page makes it send. */
const browsers = ['origin', 'referer', 'cookie', 'sec-fetch-mode', 'sec-fetch-site']

/**
 * Workload Endpoint §3: every request carries the header, once, with the value `true`, so that nobody
 * can be talked into sending one for somebody else. Health checks are free of it, and secret
 * discovery, for which Envoy sends none; a call that comes from a browser is refused there at least.
 * Reflection is not: whatever speaks it can send the header.
 */
export function checkSecurityHeader(method: string, metadata: Metadata): void {
  if (free.some((prefix) => method.startsWith(prefix))) {
    if (!browsers.some((name) => metadata.get(name).length > 0)) return
    throw new CountersignError('invalid', 'a browser has no business here', {
      reason: 'browser-request',
    })
  }
  const values = metadata.get(header)
  if (values.length === 1 && values[0] === 'true') return
  throw new CountersignError('invalid', 'security header missing from request', {
    reason: 'security-header',
    fix: `send the metadata ${header}: true`,
  })
}

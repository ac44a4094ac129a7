import { CountersignError } from '../errors.ts'
import { SpiffeId, type TrustDomain } from './spiffe-id.ts'

// The names that servers and agents of SPIRE carry; its agents and tools expect them.
const RESERVED = '/spire'

/** `spiffe://<td>/spire/server`: what a server shows to its agents. */
export function serverId(trustDomain: TrustDomain): SpiffeId {
  return SpiffeId.of(trustDomain, `${RESERVED}/server`)
}

/** The path of what a server calls itself in tokens by which it tries services; nobody has an SVID of it. */
export const canaryPath: string = `${RESERVED}/canary`

/** `spiffe://<td>/spire/canary` */
export function canaryId(trustDomain: TrustDomain): SpiffeId {
  return SpiffeId.of(trustDomain, canaryPath)
}

/**
 * `spiffe://<td>/spire/agent/join_token/<name>`: an agent that came with a join token.
 * Throws `invalid` where the name is not one path segment.
 */
export function joinTokenAgentId(trustDomain: TrustDomain, name: string): SpiffeId {
  if (name.includes('/')) {
    throw new CountersignError('invalid', 'the name of an agent is one path segment', {
      reason: 'agent-name',
    })
  }
  return SpiffeId.of(trustDomain, `${RESERVED}/agent/join_token/${name}`)
}

/** Whether the path is `/spire` or lies below it: never for a workload. */
export function isReserved(id: SpiffeId): boolean {
  const path = SpiffeId.pathOf(id)
  return path === RESERVED || path.startsWith(`${RESERVED}/`)
}

/** Whether the path lies below `/spire/agent/`: the ID of a node's agent. */
export function isAgentId(id: SpiffeId): boolean {
  return SpiffeId.pathOf(id).startsWith(`${RESERVED}/agent/`)
}

import { CountersignError } from '../errors.ts'
import { createClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { _countersign_federation_v1_ListStatusResponse_Status as Status } from '../rpc/gen/countersign/federation/v1/ListStatusResponse.ts'
import type { FederationRelationship } from '../rpc/gen/spire/api/types/FederationRelationship.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord, printRows } from './output.ts'

/** A relationship as `-o json` prints it. `sequence` is that of the bundle, null where there is none. */
interface RelationshipJson {
  readonly trustDomain: string
  readonly bundleEndpointUrl: string
  readonly profile: string
  readonly endpointSpiffeId: string | null
  readonly sequence: string | null
  /** When the bundle was last fetched, or set by an operator. */
  readonly confirmedAt: string | null
  /** Where that is too long ago, its SVIDs buy no tokens, unless the settings say otherwise. */
  readonly staleAt: string | null
  readonly isStale: boolean | null
  /** Why the last fetch was not good; null where it was. */
  readonly failure: {
    readonly reason: string
    readonly message: string
    readonly at: string
    /** In a row. */
    readonly count: number
  } | null
}

type Statuses = ReadonlyMap<string, Status>

/** How the fetching goes, by trust domain; nothing from a server that cannot tell, such as SPIRE's. */
export async function fetchStatuses(channel: RpcChannel): Promise<Statuses> {
  try {
    const client = createClient('countersign.federation.v1.Federation', channel)
    const { relationships } = await client.unary('ListStatus', {})
    return new Map(relationships.map((status) => [status.trust_domain, status]))
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'unimplemented') return new Map()
    throw error
  }
}

function toJson(wire: FederationRelationship, statuses: Statuses): RelationshipJson {
  const status = statuses.get(wire.trust_domain)
  return {
    trustDomain: wire.trust_domain,
    bundleEndpointUrl: wire.bundle_endpoint_url,
    profile: wire.bundle_endpoint_profile ?? '',
    endpointSpiffeId: wire.https_spiffe?.endpoint_spiffe_id ?? null,
    sequence: wire.trust_domain_bundle?.sequence_number ?? null,
    confirmedAt: instantOf(status?.confirmed_at_ms),
    staleAt: instantOf(status?.stale_at_ms),
    isStale: status?.stale ?? null,
    failure:
      status === undefined || status.failures === 0
        ? null
        : {
            reason: status.reason,
            message: status.message,
            at: isoOf(status.failed_at_ms),
            count: status.failures,
          },
  }
}

function instantOf(ms: string | undefined): string | null {
  return ms === undefined || ms === '0' ? null : isoOf(ms)
}

function isoOf(ms: string): string {
  return new Date(Number(ms)).toISOString()
}

/** From when on, or since when, and what follows. */
function staleText({ staleAt, isStale }: RelationshipJson, status: Status | undefined): string {
  if (isStale === null) return '-'
  if (!isStale) return `from ${staleAt} on`
  const follows = status?.stale_refused ? 'its workloads get no tokens' : 'it is used all the same'
  return `${staleAt === null ? 'nothing has confirmed it' : `since ${staleAt}`}: ${follows}`
}

function stateText({ failure, isStale }: RelationshipJson): string {
  return [isStale ? 'stale' : [], failure?.reason ?? []].flat().join(' ') || '-'
}

export function printRelationship(
  io: Io,
  output: OutputFormat,
  wire: FederationRelationship | null,
  statuses: Statuses,
): void {
  if (wire === null) return
  const shown = toJson(wire, statuses)
  const { failure } = shown
  printRecord(io, output, shown, [
    ['trust domain', shown.trustDomain],
    ['url', shown.bundleEndpointUrl],
    ['profile', shown.profile],
    ['endpoint', shown.endpointSpiffeId ?? '-'],
    ['bundle', shown.sequence === null ? 'none' : `sequence ${shown.sequence}`],
    ['confirmed', shown.confirmedAt ?? '-'],
    ['stale', staleText(shown, statuses.get(wire.trust_domain))],
    ['failing', failure === null ? '-' : `${failure.message} (${failure.reason}), ${failure.at}`],
  ])
}

export function printRelationships(
  io: Io,
  output: OutputFormat,
  wires: readonly FederationRelationship[],
  statuses: Statuses,
): void {
  printRows(
    io,
    output,
    wires.map((wire) => toJson(wire, statuses)),
    [
      { title: 'TRUST DOMAIN', text: (one) => one.trustDomain },
      { title: 'PROFILE', text: (one) => one.profile },
      { title: 'URL', text: (one) => one.bundleEndpointUrl },
      { title: 'BUNDLE', text: (one) => (one.sequence === null ? 'none' : one.sequence) },
      { title: 'CONFIRMED', text: (one) => one.confirmedAt ?? '-' },
      { title: 'STATE', text: stateText },
    ],
    (one) => one,
  )
}

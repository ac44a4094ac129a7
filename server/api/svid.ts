import { randomBytes } from 'node:crypto'
import type { Entry } from '../../src/entry/entry.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import type { CallContext } from '../../src/rpc/call-context.ts'
import { jwtSvidToWire, spiffeIdFromWire, x509SvidToWire } from '../../src/rpc/convert.ts'
import type { BatchNewX509SVIDRequest } from '../../src/rpc/gen/spire/api/server/svid/v1/BatchNewX509SVIDRequest.ts'
import type { BatchNewX509SVIDResponse$Input } from '../../src/rpc/gen/spire/api/server/svid/v1/BatchNewX509SVIDResponse.ts'
import type { MintJWTSVIDRequest } from '../../src/rpc/gen/spire/api/server/svid/v1/MintJWTSVIDRequest.ts'
import type { MintX509SVIDRequest } from '../../src/rpc/gen/spire/api/server/svid/v1/MintX509SVIDRequest.ts'
import type { NewDownstreamX509CARequest } from '../../src/rpc/gen/spire/api/server/svid/v1/NewDownstreamX509CARequest.ts'
import type { NewJWTSVIDRequest } from '../../src/rpc/gen/spire/api/server/svid/v1/NewJWTSVIDRequest.ts'
import type { X509SVID$Input } from '../../src/rpc/gen/spire/api/types/X509SVID.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { itemStatus } from '../../src/rpc/status.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { type CertificateRequest, parseCsr } from '../../src/x509/csr.ts'
import type { Caller } from '../access/caller.ts'
import type { IssueAudit, X509Request } from '../ca/issue-x509.ts'
import { type ApiDeps, actOf } from './deps.ts'

const maxBatch = 1000

type Deps = Pick<ApiDeps, 'index' | 'ca' | 'limits' | 'bundles' | 'denied'>

/** spire.api.server.svid.v1.SVID */
export function svidHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  return {
    BatchNewX509SVID: unary(async ({ params }: BatchNewX509SVIDRequest, call) =>
      batchNewX509(deps, call, params),
    ),
    NewJWTSVID: unary(async (request: NewJWTSVIDRequest, call) => {
      const { caller } = call
      deps.limits.sign.take(caller.id ?? '')
      const entry = requireAuthorised(deps, call, request.entry_id)
      const issued = await deps.ca.issueJwt({
        spiffeId: entry.spiffeId,
        audience: request.audience,
        ttlSeconds: entry.jwtSvidTtlSeconds,
        jti: entry.jwtSvidIncludeJti ? newJti() : undefined,
        audit: auditOf(caller, entry),
      })
      return { svid: jwtSvidToWire({ ...issued, hint: entry.hint }) }
    }),
    MintX509SVID: unary(async (request: MintX509SVIDRequest, { caller }) => ({
      svid: await mintX509(deps, caller, request),
    })),
    MintJWTSVID: unary(async (request: MintJWTSVIDRequest, { caller }) => {
      const issued = await deps.ca.issueJwt({
        spiffeId: spiffeIdFromWire(request.id),
        audience: request.audience,
        ttlSeconds: request.ttl,
        audit: actOf(caller),
      })
      return { svid: jwtSvidToWire(issued) }
    }),
    NewDownstreamX509CA: unary(async (request: NewDownstreamX509CARequest, { caller }) => {
      deps.limits.sign.take(caller.id ?? '')
      const entry = downstreamEntry(deps, caller)
      const { spki } = await verifiedCsr(request.csr)
      const issued = await deps.ca.issueDownstreamCa({
        spki,
        ttlSeconds: request.preferred_ttl,
        audit: auditOf(caller, entry),
      })
      return {
        ca_cert_chain: [...issued.chain],
        x509_authorities: deps.bundles.own().x509Authorities.map(({ certificate }) => certificate),
      }
    }),
  }
}

/** The entry that lets the caller's ID have a CA; the access table has asked for one. */
function downstreamEntry({ index }: Deps, { id }: Caller): Entry {
  const [entry] =
    id === undefined
      ? []
      : index.list({ spiffeId: id, downstream: true, disabled: false }, undefined, 1)
  if (entry !== undefined) return entry
  throw new CountersignError('forbidden', 'caller is not a downstream workload', {
    reason: 'not-downstream',
  })
}

/** Each item is answered for itself; each is signed once its proof of possession is verified, while others' are. */
async function batchNewX509(
  deps: Deps,
  call: CallContext<Caller>,
  params: BatchNewX509SVIDRequest['params'],
): Promise<BatchNewX509SVIDResponse$Input> {
  if (params.length > maxBatch) {
    throw new CountersignError('invalid', `a batch has at most ${maxBatch} requests`, {
      reason: 'batch-size',
      fix: 'send it in several batches',
    })
  }
  deps.limits.sign.take(call.caller.id ?? '', params.length)
  const prepared = params.map(({ entry_id, csr }) =>
    prepare(deps, call, entry_id, csr).catch(asCountersignError),
  )
  const issued = await deps.ca.issueX509(prepared.map(requestOf))
  const items = await Promise.all(prepared)
  return {
    results: items.map((item, at) => {
      const result = issued[at]
      return item instanceof CountersignError ||
        result === undefined ||
        result instanceof CountersignError
        ? { status: itemStatus(result) }
        : {
            status: itemStatus(undefined),
            svid: x509SvidToWire({ ...result, hint: item.entry.hint }),
          }
    }),
  }
}

interface Prepared {
  readonly entry: Entry
  readonly request: X509Request
}

async function prepare(
  deps: Deps,
  call: CallContext<Caller>,
  entryId: string,
  csrDer: Buffer,
): Promise<Prepared> {
  const entry = requireAuthorised(deps, call, entryId)
  const csr = await verifiedCsr(csrDer)
  return {
    entry,
    request: {
      spiffeId: entry.spiffeId,
      spki: csr.spki,
      dnsNames: entry.dnsNames,
      ttlSeconds: entry.x509SvidTtlSeconds,
      kind: 'workload',
      audit: auditOf(call.caller, entry),
    },
  }
}

async function requestOf(
  prepared: Promise<Prepared | CountersignError>,
): Promise<X509Request | CountersignError> {
  const item = await prepared
  return item instanceof CountersignError ? item : item.request
}

/** What the operator asks for stands in the CSR itself: no entry says it. */
async function mintX509(
  deps: Deps,
  caller: Caller,
  request: MintX509SVIDRequest,
): Promise<X509SVID$Input> {
  const csr = await verifiedCsr(request.csr)
  const uri = csr.uris[0]
  if (uri === undefined || csr.uris.length !== 1) {
    throw new CountersignError('invalid', 'the CSR names exactly one URI, the SPIFFE ID', {
      reason: 'csr-uri',
    })
  }
  const [issued] = await deps.ca.issueX509([
    {
      spiffeId: SpiffeId.parse(uri),
      spki: csr.spki,
      dnsNames: csr.dnsNames,
      ttlSeconds: request.ttl,
      kind: 'workload',
      audit: actOf(caller),
    },
  ])
  if (issued === undefined || issued instanceof CountersignError) throw issued
  return x509SvidToWire(issued)
}

async function verifiedCsr(der: Buffer): Promise<CertificateRequest> {
  const csr = parseCsr(der)
  await csr.verify()
  return csr
}

/** Whatever the request says, an agent gets SVIDs for its own entries only; the others it is told nothing of. */
function requireAuthorised(
  { index, denied }: Deps,
  { caller, method }: CallContext<Caller>,
  entryId: string,
): Entry {
  const entry = caller.id === undefined ? undefined : index.isAuthorised(caller.id, entryId)
  if (entry !== undefined) return entry
  const isDisabled = caller.id !== undefined && index.isDisabledFor(caller.id, entryId)
  const [message, reason] = isDisabled
    ? ['entry is disabled', 'entry-disabled']
    : ['entry not found or not authorized', 'entry-not-authorised']
  // One that is not there may have gone a moment ago: an honest agent asks for that too.
  if (index.get(entryId) !== undefined) {
    denied(caller.peer, method, new CountersignError('forbidden', message, { reason }))
  }
  throw new CountersignError('not-found', message, { reason })
}

function auditOf(caller: Caller, entry: Entry): IssueAudit {
  return { ...actOf(caller), entryId: entry.id, owner: entry.owner, purpose: entry.purpose }
}

function newJti(): string {
  return randomBytes(16).toString('base64url')
}

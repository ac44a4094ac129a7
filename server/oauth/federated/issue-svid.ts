import { randomUUID } from 'node:crypto'
import type { BundleLookup } from '../../../src/bundle/bundle.ts'
import type { Entry } from '../../../src/entry/entry.ts'
import { CountersignError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { parseCsr } from '../../../src/x509/csr.ts'
import { fromPem, toPem } from '../../../src/x509/pem.ts'
import type { Ca } from '../../ca/ca.ts'
import { maxAudienceLength } from '../../ca/issue-jwt.ts'
import type { IssueAudit } from '../../ca/issue-x509.ts'
import { answerOf, type OauthAnswer } from '../answer.ts'
import { actorOf, type ClientDoorDeps, type ClientRequest, checkStanding } from '../client-door.ts'
import type { Form } from '../form.ts'
import type { UseOnce } from '../single-use.ts'
import { tokenTypes } from '../token-types.ts'
import { isAssertionGrant } from './assertion-grant.ts'
import { checkGives, issueOnce } from './client.ts'
import type { Federated } from './federated.ts'
import type { Issuable } from './rules.ts'
import { subjectRecord } from './subject-refusal.ts'

export interface SvidDeps extends Pick<ClientDoorDeps, 'entriesOf' | 'disabledOf' | 'revocations'> {
  readonly ca: Pick<Ca, 'issueJwt' | 'issueX509'>
  readonly bundles: BundleLookup
  readonly useOnce: UseOnce
  readonly clock: Clock
}

/**
 * What is asked for, which the rule has to give; by an assertion grant that is always an access token. Throws `invalid`
 * `request-requested-type`, and as `checkGives`.
 */
export function requestedOf(form: Form, federated: Federated): Issuable {
  const said = isAssertionGrant(form) ? undefined : form.get('requested_token_type')
  const asked = said ?? tokenTypes.accessToken
  const kinds = new Map<string, Issuable>([
    [tokenTypes.accessToken, 'access_token'],
    [tokenTypes.jwt, 'jwt_svid'],
    [tokenTypes.x509Svid, 'x509_svid'],
  ])
  const kind = kinds.get(asked)
  if (kind === undefined)
    return refuse('request-requested-type', 'there are no tokens of this type')
  checkGives(federated, kind)
  return kind
}

/**
 * An SVID in exchange for a foreign token, which it does not outlive. Throws `invalid` (`target-missing`,
 * `target-malformed`, `target-entries`, `request-csr`), `forbidden` `policy-rule`, as `issueOnce`, and as `Ca`.
 */
export async function issueSvid(
  kind: Exclude<Issuable, 'access_token'>,
  request: ClientRequest,
  federated: Federated,
  deps: SvidDeps,
): Promise<OauthAnswer> {
  const entry = onlyEntry(request)
  const audit: IssueAudit = {
    actor: actorOf(request.address, request.client),
    entryId: entry.id,
    owner: entry.owner,
    purpose: entry.purpose,
    grant: request.form.get('grant_type'),
    trace: request.trace,
    ...subjectRecord(federated.token, federated.rule),
  }
  const job = { request, entry, federated, audit }
  return kind === 'jwt_svid' ? jwtSvid(job, deps) : x509Svid(job, deps)
}

interface Job {
  readonly request: ClientRequest
  readonly entry: Entry
  readonly federated: Federated
  readonly audit: IssueAudit
}

async function jwtSvid({ request, entry, federated, audit }: Job, deps: SvidDeps) {
  const audience = request.form.get('audience')
  if (audience === undefined) return refuse('target-missing', 'an audience has to be named')
  if (audience.length > maxAudienceLength) {
    return refuse('target-malformed', `an audience has at most ${maxAudienceLength} characters`)
  }
  const { token, expiresAt } = await issueOnce(federated, 'jwt_svid', deps.useOnce, async () => {
    const issued = await deps.ca.issueJwt({
      spiffeId: entry.spiffeId,
      audience: [audience],
      ttlSeconds: entry.jwtSvidTtlSeconds,
      notAfter: federated.token.expiresAt,
      jti: randomUUID(),
      audit,
    })
    // What was revoked while it was signed and put on record does not leave.
    checkStanding(request.client, deps)
    return issued
  })
  return answer(token, tokenTypes.jwt, expiresAt, deps)
}

/** Of the request for a certificate its public key is taken and nothing else (T6). */
async function x509Svid({ request, entry, federated, audit }: Job, deps: SvidDeps) {
  const [block, ...more] = fromPemOf(request.form.get('csr'))
  if (block === undefined || more.length > 0) {
    return refuse('request-csr', 'csr is one certificate request in PEM')
  }
  const { spki } = await verified(block)
  const issued = await issueOnce(federated, 'x509_svid', deps.useOnce, async () => {
    const [certificate] = await deps.ca.issueX509([
      {
        spiffeId: entry.spiffeId,
        spki,
        dnsNames: entry.dnsNames,
        ttlSeconds: entry.x509SvidTtlSeconds,
        notAfter: federated.token.expiresAt,
        kind: 'workload',
        audit,
      },
    ])
    if (certificate === undefined || certificate instanceof CountersignError) throw certificate
    checkStanding(request.client, deps)
    return certificate
  })
  const own = deps.bundles.bundleOf(SpiffeId.trustDomainOf(entry.spiffeId))
  const authorities = own?.x509Authorities.map(({ certificate }) => certificate) ?? []
  return answer(pemOf(issued.chain), tokenTypes.x509Svid, issued.expiresAt, deps, {
    trust_bundle: pemOf(authorities),
  })
}

function answer(
  issued: string,
  type: string,
  expiresAt: Date,
  { clock }: SvidDeps,
  more: Readonly<Record<string, string>> = {},
): OauthAnswer {
  return answerOf({
    access_token: issued,
    issued_token_type: type,
    // RFC 8693 §2.2.1: it is no access token.
    token_type: 'N_A',
    expires_in: Math.floor((expiresAt.getTime() - clock.now().getTime()) / 1000),
    ...more,
  })
}

/** The one entry of the ID; one that rules over the server, or below it, is for attested workloads alone. */
function onlyEntry({ entries: [entry, ...more] }: ClientRequest): Entry {
  if (more.length > 0) {
    refuse('target-entries', 'several entries carry this ID, and an SVID is that of one')
  }
  if (entry.admin || entry.downstream) {
    throw new CountersignError('forbidden', 'this entry is not for tokens of other issuers', {
      reason: 'policy-rule',
    })
  }
  return entry
}

function fromPemOf(text: string | undefined): readonly Buffer[] {
  if (text === undefined) return []
  try {
    return fromPem(text).map(({ label, der }) =>
      label === 'CERTIFICATE REQUEST' ? der : Buffer.alloc(0),
    )
  } catch (error) {
    if (error instanceof CountersignError) return []
    throw error
  }
}

async function verified(der: Buffer): Promise<{ readonly spki: Buffer }> {
  try {
    const csr = parseCsr(der)
    await csr.verify()
    return csr
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return refuse('request-csr', `the certificate request is refused: ${error.message}`)
  }
}

function pemOf(certificates: readonly Buffer[]): string {
  return certificates.map((der) => toPem('CERTIFICATE', der)).join('')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

import { hash } from 'node:crypto'
import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { jwtSvidAssertionType } from '../../src/svid/client-assertion.ts'
import { verifyAgain } from '../../src/svid/verified-chains.ts'
import { verifyJwtSvidAgain } from '../../src/svid/verified-tokens.ts'
import type { Federated } from './federated/federated.ts'
import type { Form } from './form.ts'

/*
 * draft-ietf-oauth-spiffe-client-auth-02: how a workload proves to an authorization server who it is. All
 * that is the draft's stands in this file, and what a client needs of it beside the JWT-SVID.
 */

/** Names in the metadata (§3). */
export const authMethods = ['spiffe_jwt', 'spiffe_x509'] as const

/** What a client sends beside the rest to prove itself with a JWT-SVID. */
export function assertionForm(jwtSvid: string): Readonly<Record<string, string>> {
  return { client_assertion_type: jwtSvidAssertionType, client_assertion: jwtSvid }
}

/** Who asks, as proved. */
export interface Client {
  readonly spiffeId: SpiffeId
  /** `oidc`: by a token of another issuer, which a rule says to be its; `legacy_key`: an edge speaks for it; `access_token`: one of this issuer. */
  readonly method: (typeof authMethods)[number] | 'oidc' | 'legacy_key' | 'access_token'
  /** When its SVID, or that token, was issued; undefined where that does not say. */
  readonly issuedAt: Date | undefined
  /** The end of the SVID, or of that token. */
  readonly expiresAt: Date
  /** Of the JWT-SVID, where it has one. */
  readonly jti?: string | undefined
  /** Of the certificate that it showed: RFC 8705 §3.1, and its serial. */
  readonly certificate?: { readonly thumbprint: string; readonly serial: string }
  /** The other issuer's token, and the rule. */
  readonly federated?: Federated
}

export interface ClientProof {
  readonly form: Form
  readonly authorization: string | undefined
  /** What the connection's client presented in TLS, DER, leaf first; nobody has looked at it yet. */
  readonly chain: readonly Buffer[]
}

export interface ClientAuthDeps {
  readonly issuer: string
  readonly bundles: BundleLookup
  /** When a certificate of this ID was issued that is valid from then on: ours are dated back. */
  readonly issuedAtOf: (spiffeId: SpiffeId, notBefore: Date) => Date
  readonly now: Date
}

/**
 * Checks the one proof that came with a request. Throws `invalid`: `request-two-mechanisms`;
 * `unauthenticated`: `client-missing`, `client-header`, `client-assertion-type`, `client-audience`, `client-id`,
 * and as `verifyJwtSvid` and `verifyX509Svid`.
 */
export async function authenticateClient(
  proof: ClientProof,
  deps: ClientAuthDeps,
): Promise<Client> {
  const { form, authorization, chain } = proof
  const asserted = form.has('client_assertion') || form.has('client_assertion_type')
  const secret = form.has('client_secret') || authorization !== undefined
  if (Number(asserted) + Number(secret) + Number(chain.length > 0) > 1) {
    throw new CountersignError('invalid', 'a client proves itself in one way', {
      reason: 'request-two-mechanisms',
    })
  }
  if (secret) refuse('client-header', 'there are no client secrets')
  if (asserted) return byAssertion(form, deps)
  if (chain.length > 0) return byCertificate(form, chain, deps)
  return refuse('client-missing', 'the client has not proved who it is')
}

async function byAssertion(form: Form, deps: ClientAuthDeps): Promise<Client> {
  if (form.get('client_assertion_type') !== jwtSvidAssertionType) {
    refuse('client-assertion-type', 'the assertion is of a type that is not taken')
  }
  const client = await clientOfSvid(form.get('client_assertion') ?? '', deps)
  checkClientId(form.get('client_id') ?? client.spiffeId, client.spiffeId)
  return client
}

/**
 * §3.1: a JWT-SVID whose only audience is the issuer, by simple comparison of strings. Throws `unauthenticated`
 * `client-audience`, and as `verifyJwtSvid`.
 */
export async function clientOfSvid(
  token: string,
  { issuer, bundles, now }: ClientAuthDeps,
): Promise<Client> {
  const svid = await verifyJwtSvidAgain(token, { audience: issuer, bundles, now })
  const { spiffeId, issuedAt, expiresAt } = svid
  if (svid.audience.length !== 1) refuse('client-audience', 'the JWT-SVID is for others as well')
  const { jti } = svid.claims
  const named = typeof jti === 'string' && jti !== '' ? jti : undefined
  return { spiffeId, method: 'spiffe_jwt', issuedAt, expiresAt, jti: named }
}

/** §3.2: `client_id` must be there, and be the ID of the certificate. */
function byCertificate(form: Form, chain: readonly Buffer[], deps: ClientAuthDeps): Client {
  const { spiffeId, leaf, path } = verifyAgain(chain, deps.bundles, deps.now)
  if (leaf.keyUsage?.bits.has('digitalSignature') !== true) {
    refuse('svid-key-usage', 'the certificate is for a key that does not sign')
  }
  checkClientId(form.get('client_id'), spiffeId)
  return {
    spiffeId,
    method: 'spiffe_x509',
    issuedAt: deps.issuedAtOf(spiffeId, leaf.notBefore),
    expiresAt: new Date(Math.min(...path.map(({ notAfter }) => notAfter.getTime()))),
    certificate: { thumbprint: hash('sha256', leaf.der, 'base64url'), serial: leaf.serial },
  }
}

/** Throws `unauthenticated` `client-id`. */
export function checkClientId(said: string | undefined, spiffeId: SpiffeId): void {
  if (said !== spiffeId) refuse('client-id', 'client_id is not the ID that was proved')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

import { CountersignError } from '../../src/errors.ts'
import type { CallContext } from '../../src/rpc/call-context.ts'
import { secondsOf } from '../../src/rpc/convert.ts'
import type { AuthorityState$Input } from '../../src/rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import type { Ca, CaState } from '../ca/ca.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'
import { type ApiDeps, actOf } from './deps.ts'

interface OfAuthority {
  readonly authority_id: string
}

/** spire.api.server.localauthority.v1.LocalAuthority. WIT authorities, of the experimental WIT-SVID, there are none. */
export function localAuthorityHandlers({
  ca,
}: Pick<ApiDeps, 'ca'>): Record<string, RpcHandler<Caller>> {
  const [x509, jwt] = [handlersOf(ca, 'x509'), handlersOf(ca, 'jwt')]
  return {
    GetX509AuthorityState: x509.state,
    PrepareX509Authority: x509.prepare,
    ActivateX509Authority: x509.activate,
    TaintX509Authority: x509.taint,
    RevokeX509Authority: x509.revoke,
    ...jwtHandlers(jwt),
    TaintX509UpstreamAuthority: unary(noUpstream),
    RevokeX509UpstreamAuthority: unary(noUpstream),
  }
}

/** countersign.oauth.v1.TokenAuthority */
export function tokenAuthorityHandlers({
  ca,
}: Pick<ApiDeps, 'ca'>): Record<string, RpcHandler<Caller>> {
  return jwtHandlers(handlersOf(ca, 'oauth'))
}

function jwtHandlers(of: ReturnType<typeof handlersOf>): Record<string, RpcHandler<Caller>> {
  return {
    GetJWTAuthorityState: of.state,
    PrepareJWTAuthority: of.prepare,
    ActivateJWTAuthority: of.activate,
    TaintJWTAuthority: of.taint,
    RevokeJWTAuthority: of.revoke,
  }
}

function handlersOf(ca: Ca, kind: AuthorityKind) {
  return {
    state: unary(() => stateToWire(ca.state(kind))),
    prepare: unary(async (_request: object, { caller }: CallContext<Caller>) => ({
      prepared_authority: authorityToWire(await ca.prepare(kind, actOf(caller))),
    })),
    activate: unary(async ({ authority_id }: OfAuthority, { caller }: CallContext<Caller>) => ({
      activated_authority: authorityToWire(await ca.activate(kind, authority_id, actOf(caller))),
    })),
    taint: unary(async ({ authority_id }: OfAuthority, { caller }: CallContext<Caller>) => ({
      tainted_authority: authorityToWire(await ca.taint(kind, authority_id, actOf(caller))),
    })),
    revoke: unary(async ({ authority_id }: OfAuthority, { caller }: CallContext<Caller>) => {
      await ca.revoke(kind, authority_id, actOf(caller))
      return { revoked_authority: { authority_id } }
    }),
  }
}

/** Several may be old at once; the message has room for the one that signed last. */
function stateToWire({ active, prepared, old }: CaState): {
  readonly active: AuthorityState$Input
  readonly prepared: AuthorityState$Input | null
  readonly old: AuthorityState$Input | null
} {
  if (active === undefined) {
    throw new CountersignError('unavailable', 'server is initializing', {
      reason: 'authority-missing',
      retryAfterMs: 1000,
    })
  }
  const shown = (record: AuthorityRecord | undefined): AuthorityState$Input | null =>
    record === undefined ? null : authorityToWire(record)
  return { active: authorityToWire(active), prepared: shown(prepared), old: shown(old[0]) }
}

function authorityToWire({ id, notAfter }: AuthorityRecord): AuthorityState$Input {
  return { authority_id: id, expires_at: secondsOf(notAfter) }
}

function noUpstream(): never {
  throw new CountersignError('conflict', 'upstream authority is not configured', {
    reason: 'no-upstream-authority',
  })
}

import { createHash } from 'node:crypto'
import { createVerifier, type Verifier, type VerifierOptions } from 'countersign/resource-server'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { Clock } from '../../../src/runtime/clock.ts'

/** An issuer of access tokens, without a server. */
export interface TestIssuer {
  readonly issuer: string
  readonly jwk: JWK
  /** A token for 60 s; claims that are undefined are left out. */
  token(claims: Readonly<Record<string, unknown>>): Promise<string>
  verifier(options: Pick<VerifierOptions, 'audience'> & Partial<VerifierOptions>): Verifier
}

export async function testIssuer(clock: Clock): Promise<TestIssuer> {
  const issuer = 'https://as.example.org'
  const keys = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig' }
  return {
    issuer,
    jwk,
    token(claims) {
      const iat = Math.floor(clock.now().getTime() / 1000)
      return new SignJWT({ iss: issuer, jti: 'a', iat, exp: iat + 60, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })
        .sign(keys.privateKey)
    },
    verifier: (options) =>
      createVerifier({
        issuer,
        jwks: async () => JSON.stringify({ keys: [jwk] }),
        clock,
        ...options,
      }),
  }
}

/** `cnf` for this certificate, DER. */
export function boundTo(certificate: Uint8Array | undefined): Record<string, unknown> {
  const digest = createHash('sha256').update(certificate ?? Buffer.alloc(0))
  return { cnf: { 'x5t#S256': digest.digest('base64url') } }
}

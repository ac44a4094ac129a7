import type { Bundle, JwtAuthority, X509Authority } from '../bundle/bundle.ts'
import { signCompact } from '../jwt/sign.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { audienceGiven, jwtSvidClaims } from '../svid/jwt-svid.ts'
import { type X509Svid, x509SvidFrom } from '../svid/x509-svid.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { type CertificateAuthority, issueLeaf, issueRootCa } from '../x509/issue.ts'
import { generateKeyPair, type Signer, softwareSigner, spkiOf } from '../x509/key.ts'

/** What an X509-SVID is to be. */
export interface IssueX509Options {
  /** 3600 unless told; cut to the end of the authority. */
  readonly ttlSeconds?: number | undefined
  readonly dnsNames?: readonly string[]
}

/** What a JWT-SVID is to be, or to lack. */
export interface IssueJwtOptions {
  /** 300 unless told. */
  readonly ttlSeconds?: number | undefined
  /** Laid over the right ones: `{ role: 'admin' }`, or `{ exp: undefined }` for a token that has none. */
  readonly claims?: Readonly<Record<string, unknown>>
}

interface Authorities {
  readonly x509: CertificateAuthority
  readonly jwt: Signer
  readonly keyId: string
}

const authorityDays = 365
const dayMs = 86_400_000
// Clocks of a test and of what it tests may differ a little.
const earlierMs = 10_000

/** A trust domain for tests: authorities of its own, in memory, that issue whatever is asked for. */
export class TestTrustDomain {
  readonly name: TrustDomain
  readonly #clock: Clock
  /** The newest is the last. */
  readonly #authorities: Authorities[] = []
  #sequence = 0n
  #bundle: Bundle | undefined

  private constructor(name: TrustDomain, clock: Clock) {
    this.name = name
    this.#clock = clock
  }

  /** Throws `invalid` / `trust-domain-…`. */
  static async create(name: string, clock: Clock = systemClock): Promise<TestTrustDomain> {
    const trustDomain = new TestTrustDomain(TrustDomain.parse(name), clock)
    await trustDomain.rotate()
    return trustDomain
  }

  /** Both kinds of authorities. The same object until they change. */
  get bundle(): Bundle {
    this.#bundle ??= {
      trustDomain: this.name,
      x509Authorities: this.#authorities.map(x509Authority),
      jwtAuthorities: this.#authorities.map(jwtAuthority),
      sequence: this.#sequence,
      refreshHintSeconds: 0,
    }
    return this.#bundle
  }

  /** New authorities sign from here on; the ones before stay in the bundle. */
  async rotate(): Promise<void> {
    const [ca, jwt] = await Promise.all([newSigner(), newSigner()])
    const now = this.#clock.now().getTime()
    const der = await issueRootCa({
      trustDomain: this.name,
      signer: ca,
      notBefore: new Date(now - earlierMs),
      notAfter: new Date(now + authorityDays * dayMs),
    })
    this.#authorities.push({
      x509: { certificate: parseCertificate(der), signer: ca },
      jwt,
      keyId: `key-${this.#sequence + 1n}`,
    })
    this.#changed()
  }

  /** Only the newest authorities stay in the bundle: what the ones before have signed is good no more. */
  revokeOld(): void {
    this.#authorities.splice(0, this.#authorities.length - 1)
    this.#changed()
  }

  /** An X509-SVID with a key of its own. Throws `invalid` / `lint-…` where the ID is not one of this trust domain's workloads. */
  async issueX509(spiffeId: SpiffeId, options: IssueX509Options = {}): Promise<X509Svid> {
    const { ttlSeconds = 3600, dnsNames = [] } = options
    const { privateKey } = await generateKeyPair('ec-p256')
    const now = this.#clock.now().getTime()
    const leaf = await issueLeaf(
      {
        spiffeId,
        spki: spkiOf(privateKey),
        dnsNames,
        notBefore: new Date(now - earlierMs),
        notAfter: new Date(now + ttlSeconds * 1000),
      },
      this.#newest.x509,
    )
    return x509SvidFrom([leaf], privateKey.export({ format: 'der', type: 'pkcs8' }))
  }

  /** A JWT-SVID, compact. */
  async issueJwt(
    spiffeId: SpiffeId,
    audience: string | readonly string[],
    { ttlSeconds = 300, claims = {} }: IssueJwtOptions = {},
  ): Promise<string> {
    const issuedAt = this.#clock.now()
    const expiresAt = new Date(issuedAt.getTime() + ttlSeconds * 1000)
    const right = jwtSvidClaims({
      spiffeId,
      audience: audienceGiven(audience),
      issuedAt,
      expiresAt,
    })
    return signCompact(this.#newest.jwt, this.#newest.keyId, { ...right, ...claims })
  }

  get #newest(): Authorities {
    const newest = this.#authorities.at(-1)
    if (newest === undefined) throw new TypeError('a trust domain without authorities')
    return newest
  }

  #changed(): void {
    this.#sequence += 1n
    this.#bundle = undefined
  }
}

async function newSigner(): Promise<Signer> {
  return softwareSigner((await generateKeyPair('ec-p256')).privateKey)
}

function x509Authority({ x509 }: Authorities): X509Authority {
  return { certificate: x509.certificate.der, tainted: false }
}

function jwtAuthority({ jwt, keyId }: Authorities): JwtAuthority {
  return { keyId, publicKey: spkiOf(jwt.publicKey), expiresAt: undefined, tainted: false }
}

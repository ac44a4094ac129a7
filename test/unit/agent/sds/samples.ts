import type { WorkloadUpdate } from '../../../../agent/cache/cache.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import type { Secret } from '../../../../src/rpc/gen/envoy/extensions/transport_sockets/tls/v3/Secret.ts'
import type { SPIFFECertValidatorConfig } from '../../../../src/rpc/gen/envoy/extensions/transport_sockets/tls/v3/SPIFFECertValidatorConfig.ts'
import { messageDefinition } from '../../../../src/rpc/services.ts'
import type { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { derOf, entryOf, friend, trustDomain } from '../workload-endpoint/identities.ts'

const file = 'envoy/extensions/transport_sockets/tls/v3/secret.proto'
const types = 'envoy.extensions.transport_sockets.tls.v3'

export const webId = 'spiffe://example.org/web'
export const dbId = 'spiffe://example.org/db'
export const home = 'spiffe://example.org'
export const friendHome = 'spiffe://friend.org'

export function bundleOf(td: TrustDomain, ...cas: readonly string[]): Bundle {
  return {
    trustDomain: td,
    x509Authorities: cas.map((ca) => ({ certificate: derOf(ca), tainted: false })),
    jwtAuthorities: [],
    sequence: 1n,
    refreshHintSeconds: 0,
  }
}

/** What a workload may have: `/web` and `/db` with the serials given, `''` for one that is not signed. */
export function updateOf(
  options: {
    readonly web?: string
    readonly db?: string
    readonly hint?: string
    readonly bundle?: Bundle
    readonly federated?: readonly Bundle[]
  } = {},
): WorkloadUpdate {
  const { web, db, hint = '' } = options
  const asked = [
    ...(web === undefined ? [] : [{ path: '/web', serial: web }]),
    ...(db === undefined ? [] : [{ path: '/db', serial: db }]),
  ].map(({ path, serial }) => ({ entry: entryOf(path, [], { hint }), serial }))
  return {
    entries: asked.map(({ entry }) => entry),
    identities: asked
      .filter(({ serial }, index) => serial !== '' && (hint === '' || index === 0))
      .map(({ entry, serial }) => identity(entry, serial)),
    bundle: options.bundle ?? bundleOf(trustDomain, 'ca 1'),
    federated: new Map(
      (options.federated ?? [bundleOf(friend, 'their ca')]).map((one) => [one.trustDomain, one]),
    ),
  }
}

function identity(entry: Entry, serial: string): WorkloadUpdate['identities'][number] {
  return {
    entry,
    svid: {
      spiffeId: entry.spiffeId,
      chain: [derOf(`leaf ${entry.spiffeId} ${serial}`), derOf('intermediate')],
      privateKey: derOf(`key ${entry.spiffeId} ${serial}`),
      notBefore: new Date(0),
      expiresAt: new Date(4e12),
    },
  }
}

/** A secret in words: its name, and the DER in each of its PEM blocks as text. */
export function readSecret(bytes: Uint8Array): {
  readonly name: string
  readonly chain?: readonly string[]
  readonly key?: readonly string[]
  readonly trustedCa?: readonly string[]
  readonly trustDomains?: readonly (readonly [string, readonly string[]])[]
} {
  const secret = messageDefinition<object, Secret>(file, `${types}.Secret`).deserialize(
    Buffer.from(bytes),
  )
  const { name, tls_certificate: certificate, validation_context: context } = secret
  if (certificate) {
    return {
      name,
      chain: words(certificate.certificate_chain?.inline_bytes),
      key: words(certificate.private_key?.inline_bytes),
    }
  }
  const validator = context?.custom_validator_config
  if (!validator) return { name, trustedCa: words(context?.trusted_ca?.inline_bytes) }
  if (validator.name !== 'envoy.tls.cert_validator.spiffe') throw new Error(validator.name)
  if (validator.typed_config?.type_url !== `type.googleapis.com/${types}.SPIFFECertValidatorConfig`)
    throw new Error('the wrong type')
  const config = messageDefinition<object, SPIFFECertValidatorConfig>(
    file,
    `${types}.SPIFFECertValidatorConfig`,
  ).deserialize(validator.typed_config.value)
  return {
    name,
    trustDomains: config.trust_domains.map(
      (one) => [one.name, words(one.trust_bundle?.inline_bytes)] as const,
    ),
  }
}

/** Each block's content behind its tag and length, and its label where it is no certificate. */
function words(pem: Uint8Array | undefined): string[] {
  const blocks = Buffer.from(pem ?? [])
    .toString()
    .matchAll(/-----BEGIN ([A-Z ]+)-----\n([^-]+)-----END \1-----\n/g)
  return [...blocks].map(([, label, body]) => {
    const text = Buffer.from(body ?? '', 'base64')
      .subarray(2)
      .toString()
    return label === 'CERTIFICATE' ? text : `${label}: ${text}`
  })
}

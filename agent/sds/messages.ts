import type { Bundle } from '../../src/bundle/bundle.ts'
import type {
  Secret,
  Secret$Input,
} from '../../src/rpc/gen/envoy/extensions/transport_sockets/tls/v3/Secret.ts'
import type {
  SPIFFECertValidatorConfig,
  SPIFFECertValidatorConfig$Input,
} from '../../src/rpc/gen/envoy/extensions/transport_sockets/tls/v3/SPIFFECertValidatorConfig.ts'
import { messageDefinition } from '../../src/rpc/services.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { toPem } from '../../src/x509/pem.ts'

const file = 'envoy/extensions/transport_sockets/tls/v3/secret.proto'
const types = 'envoy.extensions.transport_sockets.tls.v3'
const secret = () => messageDefinition<Secret$Input, Secret>(file, `${types}.Secret`)
const validator = () =>
  messageDefinition<SPIFFECertValidatorConfig$Input, SPIFFECertValidatorConfig>(
    file,
    `${types}.SPIFFECertValidatorConfig`,
  )

/** The type of everything that SDS serves. */
export const secretType: string = `type.googleapis.com/${types}.Secret`

/** An X.509-SVID as a secret of this name: chain and key, PEM. */
export function encodeCertificate(name: string, svid: X509Svid): Buffer {
  return secret().serialize({
    name,
    tls_certificate: {
      certificate_chain: { inline_bytes: pem('CERTIFICATE', svid.chain) },
      private_key: { inline_bytes: pem('PRIVATE KEY', [svid.privateKey]) },
    },
  })
}

/** One trust domain's CAs as a plain list, PEM: any chain that ends in one of them is good. */
export function encodePlainContext(name: string, bundle: Bundle): Buffer {
  return secret().serialize({
    name,
    validation_context: { trusted_ca: { inline_bytes: authorities(bundle) } },
  })
}

/** For Envoy's SPIFFE validator, which checks a peer against the CAs of its own trust domain alone. */
export function encodeSpiffeContext(name: string, bundles: readonly Bundle[]): Buffer {
  const config = validator().serialize({
    trust_domains: bundles.map((bundle) => ({
      name: bundle.trustDomain,
      trust_bundle: { inline_bytes: authorities(bundle) },
    })),
  })
  return secret().serialize({
    name,
    validation_context: {
      custom_validator_config: {
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: {
          type_url: `type.googleapis.com/${types}.SPIFFECertValidatorConfig`,
          value: config,
        },
      },
    },
  })
}

function authorities(bundle: Bundle): Buffer {
  return pem(
    'CERTIFICATE',
    bundle.x509Authorities.map(({ certificate }) => certificate),
  )
}

function pem(label: string, der: readonly Buffer[]): Buffer {
  return Buffer.from(der.map((one) => toPem(label, one)).join(''))
}

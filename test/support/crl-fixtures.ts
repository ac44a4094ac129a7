import { signingAlgorithmFor } from '../../src/x509/algorithm.ts'
import { type Crl, parseCrl } from '../../src/x509/crl.ts'
import { bitString, element, integer, sequence, time } from '../../src/x509/der-write.ts'
import { extension } from '../../src/x509/encode.ts'
import { OID } from '../../src/x509/oids.ts'
import { DAY_MS, type Made, NOW, type Party } from './x509-fixtures.ts'

export interface CrlShape {
  readonly revoked?: readonly Made[]
  readonly thisUpdate?: Date
  /** null leaves it out. */
  readonly nextUpdate?: Date | null
  /** Whose name it bears, where that is not its signer. */
  readonly issuer?: Party
  readonly extra?: readonly Buffer[]
  readonly entryExtra?: readonly Buffer[]
}

/** DER of a list that `signer` signed, by default of nothing revoked and in force. */
export async function crlDer(signer: Party, shape: CrlShape = {}): Promise<Buffer> {
  const { revoked = [], issuer = signer, extra = [], entryExtra = [] } = shape
  const algorithm = signingAlgorithmFor(signer.signer.kind).der
  const entries = revoked.map(({ certificate }) =>
    sequence(
      integer(
        Buffer.from(
          certificate.serial.padStart(
            certificate.serial.length + (certificate.serial.length % 2),
            '0',
          ),
          'hex',
        ),
      ),
      time(new Date(NOW.getTime() - DAY_MS)),
      ...(entryExtra.length === 0 ? [] : [sequence(...entryExtra)]),
    ),
  )
  const keyId = extension(OID.authorityKeyIdentifier, sequence(element(0x80, issuer.keyId)))
  const number = extension('2.5.29.20', integer(Buffer.of(1)))
  const tbs = sequence(
    integer(Buffer.of(1)),
    algorithm,
    issuer.name,
    time(shape.thisUpdate ?? new Date(NOW.getTime() - 1000)),
    ...(shape.nextUpdate === null
      ? []
      : [time(shape.nextUpdate ?? new Date(NOW.getTime() + DAY_MS))]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    element(0xa0, sequence(keyId, number, ...extra)),
  )
  return sequence(tbs, algorithm, bitString(await signer.signer.sign(tbs)))
}

export async function crl(signer: Party, shape: CrlShape = {}): Promise<Crl> {
  return parseCrl(await crlDer(signer, shape))
}

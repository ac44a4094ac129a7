import fc from 'fast-check'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { createCsr, parseCsr } from '../../src/x509/csr.ts'
import { element, oid, sequence, set } from '../../src/x509/der-write.ts'
import { generateKeyPair, type KeyKind, softwareSigner } from '../../src/x509/key.ts'
import { OID } from '../../src/x509/oids.ts'
import { fromPem, toPem } from '../../src/x509/pem.ts'
import { type DerNode, derBytes, derTree } from '../support/der-tree.ts'
import { textEdits, withTextEdits } from '../support/text-edits.ts'
import { alternativeNames, nameConstraints, root } from '../support/x509-fixtures.ts'
import { withTextBytes } from './bytes.ts'
import { derInputs, signedBy, signedPart } from './der-inputs.ts'
import type { Parser } from './target.ts'

const td = TrustDomain.parse('example.org')

const kinds: readonly KeyKind[] = ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519']

/** Requests that are signed after they were changed, and some that were changed afterwards. */
export async function csrParser(): Promise<Parser> {
  const signers = await Promise.all(
    kinds.map(async (kind) => softwareSigner((await generateKeyPair(kind)).privateKey)),
  )
  const samples = await Promise.all(
    signers.map((signer) => createCsr(signer, { spiffeId: SpiffeId.of(td, '/web') })),
  )
  const attribute = (id: string, ...values: readonly Buffer[]): Buffer =>
    sequence(oid(id), set(...values))
  const names = alternativeNames(['spiffe://example.org/a', 'x:'], ['a.example', '*.b'])
  const constraints = nameConstraints([[0x86, 'example.org']])
  const attributes = [
    [],
    [attribute(OID.extensionRequest, sequence(names, constraints))],
    [attribute('1.2.840.113549.1.9.7', Buffer.from('0c0161', 'hex'))],
    [attribute(OID.extensionRequest, sequence(names)), attribute('1.2.3', sequence())],
  ].map((some) => derTree(element(0xa0, ...some)))
  const parts = samples.map(signedPart).map((part, by) => {
    const tree = derTree(part)
    const others = attributes.map((one) => {
      return derBytes({ ...tree, inside: [...(tree.inside as DerNode[]).slice(0, 3), one] })
    })
    return derInputs([part, ...others]).map((info) => Buffer.concat([Buffer.of(by), info]))
  })
  const whole = derInputs(samples).map((der) => Buffer.concat([Buffer.of(0xff), der]))
  return {
    inputs: fc.oneof(...parts, whole),
    async take(input) {
      const signer = signers[input[0] ?? 0]
      const rest = input.subarray(1)
      const request = parseCsr(signer === undefined ? rest : await signedBy(signer, rest))
      await request.verify()
      // The key that was proved is the key that goes into the certificate, octet by octet.
      const key = request.publicKey.export({ type: 'spki', format: 'der' })
      if (!key.equals(request.spki)) throw new Error(`another key: ${key.toString('hex')}`)
    },
  }
}

/** What is read from PEM is read again from what is written of it. */
export async function pemParser(): Promise<Parser> {
  const ca = await root('CA')
  const block = toPem('CERTIFICATE', ca.der)
  const pieces = [
    '-----BEGIN ',
    '-----END ',
    '-----',
    '\n',
    '\r',
    ' ',
    'A',
    '=',
    '-',
    'CERTIFICATE',
  ]
  const texts = fc
    .tuple(
      fc.constantFrom(block, `${block}${block}`, `x\n${block}y`, toPem('PRIVATE KEY', ca.der), ''),
      textEdits([...pieces, 'Proc-Type: 4,ENCRYPTED\n', '-----BEGIN '.repeat(1000)]),
    )
    .map(([sample, edits]) => withTextEdits(sample, edits))
  return {
    inputs: withTextBytes(texts),
    take(input) {
      const blocks = fromPem(Buffer.from(input).toString())
      const again = fromPem(blocks.map(({ label, der }) => toPem(label, der)).join(''))
      if (JSON.stringify(again) !== JSON.stringify(blocks)) throw new Error('read otherwise again')
    },
  }
}

import fc from 'fast-check'
import { signingAlgorithmFor } from '../../src/x509/algorithm.ts'
import { bitString, sequence } from '../../src/x509/der-write.ts'
import type { Signer } from '../../src/x509/key.ts'
import { type DerNode, derBytes, derEdit, derTree, edited } from '../support/der-tree.ts'
import { withByteEdits } from './bytes.ts'

/** Each sample with its elements changed, with its bytes changed, or as it is. */
export function derInputs(samples: readonly Buffer[]): fc.Arbitrary<Uint8Array> {
  const trees = samples.map(derTree)
  return withByteEdits(
    fc
      .tuple(fc.constantFrom(...trees), fc.array(derEdit, { maxLength: 2 }))
      .map(([tree, edits]) => derBytes(edited(tree, edits))),
  )
}

/** The part of each that is signed. */
export function signedPart(der: Buffer): Buffer {
  const [part] = derTree(der).inside as DerNode[]
  return derBytes(part as DerNode)
}

/** Signed after all edits, so that what is behind the signature is reached. */
export async function signedBy(signer: Signer, part: Uint8Array): Promise<Buffer> {
  const bytes = Buffer.from(part)
  const algorithm = signingAlgorithmFor(signer.kind).der
  return sequence(bytes, algorithm, bitString(await signer.sign(bytes)))
}

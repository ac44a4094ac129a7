import type { TlsIdentity } from '../../../src/mtls/context.ts'
import { generateKeyPair, softwareSigner } from '../../../src/x509/key.ts'
import { certify, type Made, partyWith, root, type Shape } from '../../support/x509-fixtures.ts'

export interface TestIdentity extends TlsIdentity {
  readonly leaf: Buffer
}

/** Two CAs of one name, so that only the bytes tell them apart, and what hangs below the first. */
export async function testAuthorities(): Promise<{ readonly ours: Made; readonly foreign: Made }> {
  return { ours: await root('ca'), foreign: await root('ca') }
}

/** A leaf below `ca` with its key; `rest` follows the leaf in the chain. */
export async function identity(
  ca: Made,
  uri: string,
  rest: readonly Buffer[] = [ca.der],
  dates: Pick<Shape, 'notBefore' | 'notAfter'> = {},
): Promise<TestIdentity> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const { der } = await certify(partyWith('', softwareSigner(privateKey)), ca, {
    uris: [uri],
    ...dates,
  })
  return {
    leaf: der,
    chain: [der, ...rest],
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
  }
}

import type { KeyObject } from 'node:crypto'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import {
  certify,
  type Made,
  type Party,
  partyWith,
  root,
  type Shape,
} from '../support/x509-fixtures.ts'

const hourMs = 3_600_000

export interface Identity {
  /** DER, leaf first. */
  readonly chain: readonly Buffer[]
  readonly privateKey: KeyObject
}

/** Valid from an hour ago for two: the program under test lives in our time. */
export function fromNow(startHours = -1, endHours = 1): Pick<Shape, 'notBefore' | 'notAfter'> {
  const now = Date.now()
  return {
    notBefore: new Date(now + startHours * hourMs),
    notAfter: new Date(now + endHours * hourMs),
  }
}

export function authority(name: string): Promise<Made> {
  return root(name, fromNow(-2, 2))
}

/** A good leaf but for what `shape` says; `above` follows it in the chain. */
export async function identity(
  issuer: Party,
  shape: Shape,
  above: readonly Made[] = [],
): Promise<Identity> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const subject = partyWith('', softwareSigner(privateKey))
  const { der } = await certify(subject, issuer, { ...fromNow(), ...shape })
  return { chain: [der, ...above.map((one) => one.der)], privateKey }
}

export function workload(issuer: Party, spiffeId: string): Promise<Identity> {
  return identity(issuer, { uris: [spiffeId] })
}

/** An SVID as the Workload API hands it out. */
export function svidMessage(
  spiffeId: string,
  { chain, privateKey }: Identity,
  bundle: readonly Made[],
): Record<string, unknown> {
  return {
    spiffe_id: spiffeId,
    x509_svid: Buffer.concat(chain),
    x509_svid_key: privateKey.export({ format: 'der', type: 'pkcs8' }),
    bundle: bundleMessage(bundle),
    hint: '',
  }
}

export function bundleMessage(bundle: readonly Made[]): Buffer {
  return Buffer.concat(bundle.map(({ der }) => der))
}

import { createHash, createHmac, createPrivateKey, randomBytes } from 'node:crypto'
import type { Secret } from '../runtime/secret.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { derNull, element, integer, octetString, oid, sequence, set } from '../x509/der-write.ts'

const OID = {
  data: '1.2.840.113549.1.7.1',
  keyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const

const macRounds = 2048

/**
 * RFC 7292: the key of an SVID, by AES-256 and PBKDF2 under the password, and its chain, which is no
 * secret, as DER; the alias is `svid`. The whole is authenticated by HMAC-SHA-256 under the password.
 */
export function toPkcs12(svid: X509Svid, password: Secret): Buffer {
  const [leaf, ...signers] = svid.chain
  if (leaf === undefined) throw new TypeError('an SVID without a certificate')
  const passphrase = password.reveal()
  const shrouded = createPrivateKey({ key: svid.privateKey, format: 'der', type: 'pkcs8' }).export({
    format: 'der',
    type: 'pkcs8',
    cipher: 'aes-256-cbc',
    passphrase,
  })
  const own = set(
    attribute(OID.friendlyName, element(0x1e, utf16('svid'))),
    attribute(OID.localKeyId, octetString(createHash('sha1').update(leaf).digest())),
  )
  const certs = sequence(certBag(leaf, own), ...signers.map((signer) => certBag(signer)))
  const keys = sequence(sequence(oid(OID.keyBag), explicit(shrouded), own))
  const safes = sequence(data(certs), data(keys))
  const salt = randomBytes(16)
  const mac = createHmac('sha256', macKey(passphrase, salt)).update(safes).digest()
  const digestInfo = sequence(sequence(oid(OID.sha256), derNull()), octetString(mac))
  const rounds = Buffer.alloc(2)
  rounds.writeUInt16BE(macRounds)
  return sequence(
    integer(Buffer.of(3)),
    data(safes),
    sequence(digestInfo, octetString(salt), integer(rounds)),
  )
}

function data(content: Buffer): Buffer {
  return sequence(oid(OID.data), explicit(octetString(content)))
}

function certBag(der: Buffer, attributes: Buffer = Buffer.alloc(0)): Buffer {
  const certificate = sequence(oid(OID.x509Certificate), explicit(octetString(der)))
  return sequence(oid(OID.certBag), explicit(certificate), attributes)
}

function attribute(id: string, value: Buffer): Buffer {
  return sequence(oid(id), set(value))
}

/** `[0] EXPLICIT` */
function explicit(content: Buffer): Buffer {
  return element(0xa0, content)
}

/** Big-endian, as a BMPString holds it. */
function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16()
}

/** RFC 7292 appendix B.2 with SHA-256 and ID 3: one block is all that a key of 32 bytes needs. */
function macKey(passphrase: string, salt: Buffer): Buffer {
  const block = 64
  const secret = Buffer.concat([utf16(passphrase), Buffer.alloc(2)])
  let key = Buffer.concat([Buffer.alloc(block, 3), repeated(salt), repeated(secret)])
  for (let round = 0; round < macRounds; round += 1) key = createHash('sha256').update(key).digest()
  return key

  function repeated(part: Buffer): Buffer {
    return Buffer.alloc(Math.ceil(part.length / block) * block, part)
  }
}

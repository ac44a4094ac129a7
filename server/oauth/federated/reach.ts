import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { readJwkSet } from '../../../src/bundle/jwk-set.ts'
import { CountersignError } from '../../../src/errors.ts'
import type { EndpointProfile } from '../../../src/federation/connect.ts'
import type { Download, Post } from '../../../src/federation/download.ts'
import { exchangeDocument } from '../../../src/federation/fetch-document.ts'
import type { HostLookup } from '../../../src/federation/locate.ts'
import { parseNetworks } from '../../../src/federation/networks.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { checkPrivateFile } from '../../../src/runtime/private-file.ts'
import { fromUtf8 } from '../../../src/runtime/utf8.ts'
import { fromPem } from '../../../src/x509/pem.ts'
import type { Reach } from '../reach-settings.ts'
import type { FederatedIssuer } from './settings.ts'

export interface ReachDeps {
  readonly clock: Clock
  /** As this machine resolves names unless told. */
  readonly lookup?: HostLookup | undefined
}

/** Fetches a document within what the settings allow. Throws as `fetchDocument` and `readBounded`. */
export async function fetchWithin(
  ...[reach, url, deps, options]: Parameters<typeof exchangeWithin>
): Promise<string> {
  return (await exchangeWithin(reach, url, deps, options)).text
}

/** As `fetchWithin`, and tells the status of the answer too. */
export async function exchangeWithin(
  reach: Reach,
  url: string,
  { clock, lookup }: ReachDeps,
  options: { readonly post?: Post; readonly signal?: AbortSignal } = {},
): Promise<Download> {
  const { webCa, allowedNetworks, allowedPorts } = reach
  const profile: EndpointProfile =
    webCa === undefined ? { type: 'https_web' } : { type: 'https_web', ca: [await readPem(webCa)] }
  return exchangeDocument({
    ...{ url, profile, allowedPorts, clock, ...options },
    allowedNetworks: parseNetworks(allowedNetworks),
    ...(lookup !== undefined && { lookup }),
  })
}

const maxFileBytes = 1 << 20

/** A secret, without blanks around it. Throws `forbidden` `secret-mode` where others may read it, and as `readBounded`. */
export async function readSecret(path: string): Promise<string> {
  const check = async (file: FileHandle): Promise<void> => {
    checkPrivateFile(path, await file.stat(), 'secret-mode')
  }
  return (await readBounded(path, check)).trim()
}

/** A text file of at most 1 MiB of UTF-8, as it is by now. Throws `unavailable` `federated-file`. */
export function readBounded(path: string, check?: CheckFile): Promise<string> {
  return readAs(fromUtf8, path, check)
}

/** The same of PEM, where what stands between the blocks may be in any encoding. */
function readPem(path: string): Promise<string> {
  return readAs((bytes) => bytes.toString('latin1'), path)
}

type CheckFile = (file: FileHandle) => Promise<void>

async function readAs(
  decode: (bytes: Buffer) => string,
  path: string,
  check?: CheckFile,
): Promise<string> {
  try {
    // A pipe without a writer would not open otherwise; it cannot be read from a place either.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      await check?.(file)
      const buffer = Buffer.allocUnsafe(maxFileBytes + 1)
      let length = 0
      // A file system may give less at a time than there is, and half a file is another one.
      for (let more = 1; more > 0; length += more) {
        if (length > maxFileBytes) throw new RangeError('more than 1 MiB')
        more = (await file.read(buffer, length, buffer.length - length, length)).bytesRead
      }
      return decode(buffer.subarray(0, length))
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    throw unusable(
      path,
      'a text file of at most 1 MiB, in UTF-8, that this process may read',
      cause,
    )
  }
}

/**
 * Before they come into force, so that a slip of the pen does not wait for the first token. Throws `unavailable`
 * `federated-file` where a file that they name cannot be read, or is not what it should be.
 */
export async function checkFiles(issuers: ReadonlyMap<string, FederatedIssuer>): Promise<void> {
  for (const issuer of issuers.values()) await checkFilesOf(issuer)
}

async function checkFilesOf({ keys, reach, tokenReview }: FederatedIssuer): Promise<void> {
  if (keys.at === 'file') readJwkSet(await readBounded(keys.path))
  if (tokenReview !== undefined) await readBounded(tokenReview.tokenFile)
  for (const path of [reach.webCa, tokenReview?.caFile]) await checkCertificates(path)
}

/** Throws `unavailable` `federated-file` where the file has no certificates. */
export async function checkCertificates(path: string | undefined): Promise<void> {
  if (path === undefined) return
  const blocks = fromPem(await readPem(path))
  if (blocks.some(({ label }) => label === 'CERTIFICATE')) return
  throw unusable(path, 'a file with certificates in PEM')
}

function unusable(path: string, what: string, cause?: unknown): CountersignError {
  return new CountersignError('unavailable', 'a file that the configuration names cannot be used', {
    reason: 'federated-file',
    fix: `let ${path} be ${what}`,
    retryAfterMs: 5000,
    cause,
  })
}

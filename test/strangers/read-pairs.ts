import { createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A reader in a process of its own: follows the link once, reads key and certificate behind it, until it has read so many
 * pairs, and so many different ones; prints how many versions it saw, and how many pairs did not belong together.
 */
const [folder = '', wanted = '0', different = '0'] = process.argv.slice(2)
const seen = new Map<string, boolean>()
let mixed = 0
for (let reads = 0; reads < Number(wanted) || seen.size < Number(different); ) {
  const behind = join(folder, readlinkSync(join(folder, 'current')))
  let key: string
  let cert: string
  try {
    key = readFileSync(join(behind, 'key.pem'), 'utf8')
    cert = readFileSync(join(behind, 'cert.pem'), 'utf8')
  } catch (error) {
    // Two switches since the link was followed: nothing was read, so that nothing is mixed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
    throw error
  }
  reads += 1
  const pair = key + cert
  let belongs = seen.get(pair)
  if (belongs === undefined) {
    belongs = publicHalf(createPublicKey(key)) === publicHalf(new X509Certificate(cert).publicKey)
    seen.set(pair, belongs)
  }
  if (!belongs) mixed += 1
}
process.stdout.write(JSON.stringify({ mixed, versions: seen.size }))

function publicHalf(key: ReturnType<typeof createPublicKey>): string {
  return key.export({ format: 'der', type: 'spki' }).toString('hex')
}

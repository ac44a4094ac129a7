import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { checkFiles } from '../../../../../server/oauth/federated/reach.ts'
import { federatedSchema, readFederated } from '../../../../../server/oauth/federated/settings.ts'
import { readBounded } from '../../../../../server/oauth/named-file.ts'
import { reasonOf } from '../../../../support/reason-of.ts'
import { trustDomain } from '../../../../support/running-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string | Buffer): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('a file that is not there, or is not what it should be, is told of at the start', async () => {
  const none = join(folder, 'none')
  const pipe = join(folder, 'pipe')
  spawnSync('mkfifo', [pipe])
  const token_file = file('token', 'x')
  const url = 'https://10.0.0.1:6443'
  const sound = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n'
  const pem = file('ca.pem', sound)
  for (const [said, reason] of [
    [{}, 'accepted'],
    [{ jwks_file: none }, 'federated-file'],
    [{ jwks_file: file('keys', '<html>') }, 'bundle-malformed'],
    [{ jwks_file: file('keys.json', '{"keys":[]}') }, 'accepted'],
    [{ jwks_file: pipe }, 'federated-file'],
    [{ web_ca: none }, 'federated-file'],
    [{ web_ca: token_file }, 'federated-file'],
    [{ web_ca: file('large', 'x'.repeat((1 << 20) + 1)) }, 'federated-file'],
    [
      { jwks_file: file('latin1.json', Buffer.from('{"keys":[],"é":1}', 'latin1')) },
      'federated-file',
    ],
    [{ web_ca: file('commented.pem', Buffer.from(`# É\n${sound}`, 'latin1')) }, 'accepted'],
    [{ web_ca: pem, token_review: { url, ca_file: pem, token_file } }, 'accepted'],
    [{ token_review: { url, ca_file: pem, token_file: none } }, 'federated-file'],
    [{ token_review: { url, ca_file: none, token_file } }, 'federated-file'],
  ] as const) {
    const one = {
      ...{ issuer: 'https://cluster.example', kind: 'kubernetes', audience: 'https://as.example' },
      rules: [
        { match: { 'kubernetes.io/serviceaccount/uid': 'a' }, as: 'spiffe://example.org/pod' },
      ],
      ...said,
    }
    const own = { issuer: 'https://as.example', trustDomain }
    const issuers = readFederated(federatedSchema.parse([one]), own)
    expect(await reasonOf(checkFiles(issuers))).toBe(reason)
  }
})

test.skipIf(process.platform !== 'linux')('a file that comes in pieces is read whole', async () => {
  // Of this the kernel gives no more than a page at a time.
  expect((await readBounded('/proc/self/maps')).length).toBeGreaterThan(4096)
})

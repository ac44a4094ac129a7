import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { readAnchor } from '../../../src/audit/anchor.ts'
import { HeadCheck } from '../../../src/audit/head-check.ts'
import { isSignedHead, readSignedHead } from '../../../src/audit/signed-head.ts'
import { type TrailVerdict, verifyFiles } from '../../../src/audit/verify-files.ts'
import { runHere } from '../../support/command.ts'
import { leastCpuMs } from '../../support/cost.ts'
import {
  chained,
  chainName,
  makeHeadKey,
  recordIn,
  signHead,
  TrailText,
} from '../../support/signed-trail.ts'

const key = makeHeadKey()
const thief = makeHeadKey()
let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heads-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  path = join(folder, 'audit.log')
})

async function check(
  trail: TrailText,
  options: ConstructorParameters<typeof HeadCheck>[0] & { readonly anchors?: string } = {},
): Promise<TrailVerdict> {
  writeFileSync(path, trail.text)
  const { anchors, ...rest } = options
  if (anchors === undefined) return verifyFiles(path, { heads: new HeadCheck(rest) })
  writeFileSync(join(folder, 'anchor'), anchors)
  const anchor = (await readAnchor(join(folder, 'anchor'))).heads
  return verifyFiles(path, { heads: new HeadCheck({ anchor, ...rest }) })
}

/** As far as `HeadCheck` looks: whether lines are whole others have found out. */
function lineOf(n: number, members: string): string {
  const hash = 'ab'.repeat(32)
  return `{"v":1,"n":${n},${members},"prev":"${hash}","hash":"${hash}"}`
}

describe('a signed head', () => {
  test('is read where its signature is good, and is none with another byte', async () => {
    const head = { number: 7, hash: 'ab'.repeat(32) }
    const text = await signHead(head, key)
    expect(await readSignedHead(text)).toMatchObject({ chain: chainName, head, key: key.sha256 })
    for (const at of [5, text.indexOf('.') + 9, text.lastIndexOf('.') + 9]) {
      const other = text[at] === 'A' ? 'B' : 'A'
      expect(
        await readSignedHead(`${text.slice(0, at)}${other}${text.slice(at + 1)}`),
      ).toBeUndefined()
    }
    // Its form alone lets it into a trail; a token's does not.
    expect([isSignedHead(text), isSignedHead('eyJhbGciOiJFUzI1NiJ9.e30.AAAA')]).toEqual([
      true,
      false,
    ])
  })

  test('in the trail shows that it was written anew, whoever made the chain whole again', async () => {
    const trail = new TrailText().add('a', 'b')
    const signedHead = await trail.sign(key)
    expect(await check(trail.add('c'))).toMatchObject({
      fault: undefined,
      heads: { inTrail: 1, last: { head: { number: 2 } } },
    })
    const forged = new TrailText().add('a', 'changed')
    forged.put({ kind: 'trail.head', signedHead })
    expect((await check(forged.add('c'))).fault).toMatchObject({ kind: 'head-differs', line: 3 })
    const without = new TrailText().add('a', 'changed')
    without.put({ kind: 'trail.head', signedHead: `${signedHead.slice(0, -8)}AAAAAAAA` })
    expect((await check(without)).fault).toMatchObject({ kind: 'head-signature', line: 3 })
  })

  test('T10 in the trail before what it is of shows that it was written anew', async () => {
    const signedHead = await signHead(new TrailText().add('a', 'b', 'c').head, key)
    const anew = new TrailText().add('changed')
    anew.put({ kind: 'trail.head', signedHead })
    expect((await check(anew.add('b', 'c'))).fault).toMatchObject({ kind: 'head-differs', line: 2 })
  })

  test('T10 that stands so far behind its record that nobody remembers that is not believed', async () => {
    // Written anew from record 400 on, with a head of before that says what record 500 was.
    const old = { number: 500, hash: '0a'.repeat(32) }
    const signedHead = await signHead(old, key)
    const held = `"kind":"trail.head","signedHead":${JSON.stringify(signedHead)}`
    const beyond = 501 + (1 << 17)
    const heads = new HeadCheck({ keys: [key.sha256] })
    const lines = [1, 500, beyond - 1].map((n) => lineOf(n, '"kind":"server.started"'))
    expect(await heads.look([...lines, lineOf(beyond, held)])).toEqual({
      ...{ kind: 'head-differs', at: 3 },
    })
    // Of a record in a file that was moved away nothing can be said.
    const later = new HeadCheck({ keys: [key.sha256] })
    expect(await later.look([lineOf(501, '"kind":"server.started"'), lineOf(502, held)])).toBe(
      undefined,
    )
  })

  test.for([
    ['two numbers', (n: number) => `"n":${n + 1e9},"n":${n}`],
    ['a number in other words', (n: number) => `"n":${n + 1e9},"\\u006e":${n}`],
  ] as const)(
    'T10 shows that it was written anew also where each line but the first has %s',
    async ([, placeOf]) => {
      const trail = new TrailText().add('a', 'b')
      const anchors = await trail.sign(key)
      const records = trail.lines.map((line) => recordIn(line)?.replace('"b"', '"changed"') ?? '')
      const anew = new TrailText()
      anew.lines = chained(records)
      expect((await check(anew)).fault).toMatchObject({ kind: 'head-differs', line: 3 })
      anew.lines = chained(records, (n) => (n === 1 ? '"n":1' : placeOf(n)))
      expect((await check(anew)).fault).toMatchObject({ kind: 'line-changed', line: 2 })
      expect((await check(anew, { anchors })).fault).toMatchObject({ kind: 'line-changed' })
    },
  )

  test('of more than 8 KiB is none', async () => {
    const of = (filler: string) => signHead({ number: 1, hash: 'ab'.repeat(32) }, key, { filler })
    expect(await readSignedHead(await of(''))).toBeDefined()
    expect(await readSignedHead(await of('x'.repeat(8192)))).toBeUndefined()
  })

  test('by a key of somebody else is refused where the key is known, and told where it is not', async () => {
    const trail = new TrailText().add('a')
    await trail.sign(key)
    const anew = new TrailText().add('changed')
    await anew.sign(thief)
    expect((await check(trail, { keys: [key.sha256] })).fault).toBeUndefined()
    expect((await check(anew, { keys: [key.sha256] })).fault).toMatchObject({ kind: 'head-key' })
    await trail.sign(thief)
    const found = await check(trail)
    expect(found.fault).toBeUndefined()
    expect(found.heads?.unknownKeys).toEqual([thief.sha256])
  })

  test('announces the key of those after it', async () => {
    const second = makeHeadKey()
    const trail = new TrailText().add('a')
    await trail.sign(key, { next: [second.sha256] })
    await trail.add('b').sign(second)
    expect(await check(trail, { keys: [key.sha256] })).toMatchObject({
      fault: undefined,
      heads: { inTrail: 2, unknownKeys: [] },
    })
  })
})

describe('an anchor', () => {
  test('T10 finds an end that was cut off, up to the last signed head, and says who signed it', async () => {
    const trail = new TrailText().add('a', 'b')
    const anchors = await trail.add('c').sign(key)
    const cut = new TrailText().add('a', 'b')
    expect((await check(cut)).fault).toBeUndefined()
    const found = await check(cut, { anchors, chains: [chainName] })
    expect(found).toMatchObject({
      fault: { kind: 'head-beyond', line: 2 },
      heads: { contradicts: { server: 'host-1', head: { number: 3 }, key: key.sha256 } },
    })
    expect(await check(trail, { anchors })).toMatchObject({
      fault: undefined,
      heads: { anchored: 1 },
    })
  })

  test('T10 that is newer than the key which is known is believed where the trail announces its keys', async () => {
    const [second, third] = [makeHeadKey(), makeHeadKey()]
    const trail = new TrailText().add('a')
    await trail.sign(key, { next: [second.sha256] })
    await trail.add('b').sign(second, { next: [third.sha256] })
    const whole = trail.text
    const last = await trail.add('c').sign(third)
    const keys = [key.sha256]
    const heads = { anchored: 1, unknownKeys: [] }
    expect(await check(trail, { anchors: last, keys })).toMatchObject({ fault: undefined, heads })
    const cut = { text: whole } as TrailText
    expect(await check(cut, { anchors: last, keys })).toMatchObject({
      fault: { kind: 'head-beyond' },
      heads: { contradicts: { key: third.sha256 }, unknownKeys: [] },
    })
    // By nobody whom the trail or the anchor knows.
    const stranger = await signHead({ number: 900, hash: 'ab'.repeat(32) }, thief)
    expect(await check(trail, { anchors: `${last}\n${stranger}`, keys })).toMatchObject({
      fault: undefined,
      heads: { anchored: 1, unknownKeys: [thief.sha256] },
    })
  })

  test('T10 finds a trail that was written anew and signed again by the server’s own key', async () => {
    const anchors = await new TrailText().add('a', 'b').sign(key)
    const anew = new TrailText().add('a', 'changed')
    await anew.sign(key)
    expect((await check(anew)).fault).toBeUndefined()
    expect(await check(anew, { anchors })).toMatchObject({
      fault: { kind: 'head-differs' },
      heads: { contradicts: { head: { number: 2 } } },
    })
  })

  test('T10 that holds two words of one server on one record shows that one of them is not of this trail', async () => {
    const trail = new TrailText().add('a', 'b')
    const other = await signHead({ ...trail.head, hash: '0a'.repeat(32) }, key)
    const own = await trail.sign(key)
    for (const anchors of [`${other}\n${own}`, `${own}\n${other}`]) {
      expect((await check(trail, { anchors })).fault).toMatchObject({ kind: 'head-differs' })
    }
  })

  test('may be any log: a syslog file, lines of OTLP, the trail’s copy; of several servers', async () => {
    const trail = new TrailText().add('a', 'b')
    await trail.sign(key)
    const other = await signHead({ number: 2, hash: '00'.repeat(32) }, thief, {
      chain: 'd0'.repeat(16),
    })
    const line = trail.lines[2] ?? ''
    const anchors = [
      `<110>1 2026-06-01T12:00:00Z host-1 countersign 7 trail.head - ${line}`,
      JSON.stringify({ body: { stringValue: line } }),
      other,
      `${other.slice(0, -4)}AAAA`,
      'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      '',
    ].join('\n')
    expect(await check(trail, { anchors })).toMatchObject({
      fault: undefined,
      heads: { anchored: 1, otherTrails: [{ chain: 'd0'.repeat(16), head: { number: 2 } }] },
    })
    expect((await readAnchor(join(folder, 'anchor'))).forged).toBe(1)
    // What somebody else has put there counts for nothing once the key is known.
    const forged = await signHead({ number: 9, hash: '00'.repeat(32) }, thief)
    const pinned = { anchors: `${anchors}\n${forged}\n`, keys: [key.sha256] }
    expect((await check(trail, pinned)).fault).toBeUndefined()
    expect((await check(trail, { anchors: pinned.anchors })).fault?.kind).toBe('head-beyond')
  })

  test('without a head, of another scheme, or gone, is refused', async () => {
    writeFileSync(path, 'nothing\n')
    await expect(readAnchor(path)).rejects.toMatchObject({ reason: 'anchor-empty' })
    await expect(readAnchor(`${path}.gone`)).rejects.toMatchObject({ reason: 'anchor-unreadable' })
    for (const url of ['http://example.org/x', 'ftp://127.0.0.1/x']) {
      await expect(readAnchor(url)).rejects.toMatchObject({ reason: 'anchor-url' })
    }
    // Nor does a line that is made to be slow take long.
    writeFileSync(path, `${'eyJ'.repeat(300_000)}\n`)
    const read = () => expect(readAnchor(path)).rejects.toMatchObject({ reason: 'anchor-empty' })
    expect(await leastCpuMs(3, read)).toBeLessThan(1000)
    writeFileSync(path, 'x'.repeat(3 << 20))
    await expect(readAnchor(path)).rejects.toMatchObject({ reason: 'anchor-empty' })
  })

  test('may be lines of any length, as collectors write them, and each head is found once', async () => {
    const digest = { hash: 'ab'.repeat(32) }
    const texts = await Promise.all(
      Array.from({ length: 150 }, (_, n) => signHead({ number: n + 1, ...digest }, key)),
    )
    // Of lengths by which heads stand at each place of what is read at a time.
    const records = texts.map(
      (text, n) => `{"body":"${'x '.repeat(3000 + n * 37)}","head":"${text}"}`,
    )
    writeFileSync(path, `[${records.join(',')}]`)
    const { heads, forged } = await readAnchor(path)
    expect([heads.map(({ head }) => head.number), forged]).toEqual([texts.map((_, n) => n + 1), 0])
  })

  test('may be a URL, and a redirect is not followed', async () => {
    const trail = new TrailText().add('a')
    const text = await trail.sign(key)
    const server = createServer((request, response) => {
      if (request.url === '/heads') response.end(`${text}\n`)
      else response.writeHead(302, { location: '/heads' }).end()
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect((await readAnchor(`http://127.0.0.1:${port}/heads`)).heads).toHaveLength(1)
    await expect(readAnchor(`http://127.0.0.1:${port}/moved`)).rejects.toMatchObject({
      reason: 'anchor-unavailable',
    })
  })
})

test('countersign audit verify --anchor tells who wrote a head later than the trail’s end', async () => {
  const trail = new TrailText().add('a', 'b')
  writeFileSync(`${path}.id`, `${chainName}\n`)
  writeFileSync(path, trail.text)
  const anchor = join(folder, 'anchor')
  writeFileSync(anchor, await trail.add('c').sign(key))
  const args = ['audit', 'verify', path, '--anchor', anchor]
  const cut = await runHere(args)
  expect(cut.code).toBe(1)
  expect(cut.stderr).toContain('error[audit-head-beyond]')
  expect(cut.stderr).toContain(`record 3 was signed at 2026-06-01T12:00:00.000Z by host-1`)
  writeFileSync(path, trail.text)
  const whole = await runHere(args)
  expect(whole).toMatchObject({ code: 0 })
  expect(whole.stdout).toMatch(/signed\s+up to record 3, .* key [0-9a-f]{64}\n[\s\S]*whole/)
  const known = whole.stdout.match(/key ([0-9a-f]{64})/)?.[1] ?? ''
  expect(await runHere([...args, '--key', known])).toMatchObject({ code: 0 })
  // No head was taken for a good one, and whoever has written the trail anew may have left them out.
  writeFileSync(path, new TrailText().add('a', 'changed').text)
  const bare = await runHere(['audit', 'verify', path, '--key', known])
  expect(bare).toMatchObject({ code: 1 })
  expect(bare.stderr).toContain('error[audit-unsigned]')
  expect(await runHere(['audit', 'verify', path])).toMatchObject({ code: 0 })
  writeFileSync(path, trail.text)
  const other = await runHere([...args, '--key', thief.sha256])
  expect(other.stderr).toContain('error[audit-head-key]: line 4 of')
  rmSync(`${path}.id`)
  writeFileSync(path, new TrailText().add('a').text)
  expect((await runHere(args)).stderr).toContain('error[anchor-other-trail]')
  const named = await runHere([...args, '--chain', chainName])
  expect(named.stderr).toContain('error[audit-head-beyond]')
})

describe('countersign audit verify of a trail whose anchor holds heads of another one', () => {
  const before = 'b0'.repeat(16)
  const args = () => ['audit', 'verify', path, '--anchor', join(folder, 'anchor')]
  const newKey = makeHeadKey()

  /** One that was begun anew: what it had before is in the anchor alone. */
  async function beginAnew(oldKey = key): Promise<void> {
    const old = new TrailText().add('a', 'b')
    const first = await old.sign(oldKey, { chain: before })
    const last = await old.add('c').sign(oldKey, { chain: before, next: [newKey.sha256] })
    const trail = new TrailText().add('d')
    const own = await trail.sign(newKey)
    writeFileSync(path, trail.text)
    writeFileSync(`${path}.id`, `${chainName}\n`)
    writeFileSync(join(folder, 'anchor'), `${first}\n${last}\n${own}\n`)
  }

  test('T10 says that it was begun anew, and what it was, unless that is named', async () => {
    await beginAnew()
    for (const known of [[], ['--key', key.sha256]]) {
      const found = await runHere([...args(), ...known])
      expect(found.code).toBe(1)
      expect(found.stderr).toContain('error[anchor-unnamed-trail]')
      expect(found.stderr).toContain(`${before} (up to record 4, 2026-06-01T12:00:00.000Z, host-1)`)
      expect(found.stdout).toMatch(/verdict\s+anchor-unnamed-trail/)
      const named = await runHere([...args(), ...known, '--other-chain', before])
      expect(named).toMatchObject({ code: 0, stderr: '' })
      expect(named.stdout).toMatch(/verdict\s+whole/)
    }
    const wrong = ['--other-chain', 'd0'.repeat(16)]
    expect((await runHere([...args(), ...wrong])).code).toBe(1)
    expect((await runHere([...args(), ...wrong, '--other-chain', before])).code).toBe(0)
  })

  test('leaves out those of another server by the key, which is not of this one', async () => {
    await beginAnew(thief)
    expect((await runHere(args())).code).toBe(1)
    const found = await runHere([...args(), '--key', newKey.sha256])
    expect(found).toMatchObject({ code: 0 })
    expect(found.stderr).toContain(thief.sha256)
  })

  test('names no more of them than somebody can read', async () => {
    await beginAnew()
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        signHead({ number: 1, hash: 'ab'.repeat(32) }, key, {
          chain: String(at).padStart(32, '0'),
        }),
      ),
    )
    const anchor = join(folder, 'anchor')
    writeFileSync(anchor, `${readFileSync(anchor, 'utf8')}${others.join('\n')}\n`)
    const { code, stderr } = await runHere(args())
    expect(code).toBe(1)
    expect(stderr.match(/up to record/g)).toHaveLength(8)
  })
})

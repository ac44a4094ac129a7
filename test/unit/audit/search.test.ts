import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { chainStart, nextLine } from '../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { type RecordFilter, searchFiles } from '../../../src/audit/search.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { runHere } from '../../support/command.ts'

const id = (path: string): SpiffeId => SpiffeId.parse(`spiffe://example.org${path}`)
const minute = (at: number): Date => new Date(Date.UTC(2026, 5, 1, 12, at))
let path: string

const events: readonly Partial<AuditEvent>[] = [
  { kind: 'entry.created', entryId: 'e1', spiffeId: id('/web'), owner: 'team-é' },
  {
    kind: 'token.issued',
    spiffeId: id('/web'),
    entryId: 'e1',
    jti: 'j1',
    transaction: 't1',
    scope: ['orders:read'],
    audience: ['https://orders'],
    actor: {
      ...{ kind: 'workload', id: id('/web'), address: '127.0.0.1:5000', auth: 'spiffe_x509' },
      ...{ entryId: 'e7', node: id('/spire/agent/y') },
    },
    expiresAt: minute(9),
  },
  {
    kind: 'token.exchanged',
    spiffeId: id('/web'),
    actors: [id('/orders')],
    jti: 'j2',
    parentJti: 'j1',
    transaction: 't1',
  },
  {
    kind: 'token.denied',
    decision: 'deny',
    reason: 'policy-none',
    actor: { kind: 'workload', id: id('/db') },
    purpose: '=SUM(1)"x"; @cmd;a-b',
  },
  {
    kind: 'svid.x509.issued',
    spiffeId: id('/db'),
    actor: { kind: 'agent', id: id('/spire/agent/x') },
    resourceOwner: 'team-é',
  },
  {
    kind: 'agent.attested',
    spiffeId: id('/spire/agent/x'),
    actor: { kind: 'node', address: '[::1]:7' },
  },
]

/** Two full files of two records and one more. */
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'search-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  path = join(folder, 'audit.log')
  let head = chainStart
  const lines = events.map((event, at) => {
    const whole = { time: minute(at), actor: { kind: 'server' }, decision: 'allow' } as const
    const next = nextLine(head, { ...whole, ...event } as AuditEvent)
    head = next.head
    return `${next.line}\n`
  })
  writeFileSync(`${path}.000001`, lines.slice(0, 2).join(''))
  writeFileSync(`${path}.000002`, lines.slice(2, 4).join(''))
  writeFileSync(path, lines.slice(4).join(''))
})

async function found(filter: RecordFilter): Promise<number[]> {
  const numbers: number[] = []
  for await (const { record } of searchFiles(path, filter)) numbers.push(record.n)
  return numbers
}

describe('a search through all files of a trail', () => {
  test.each<[string, RecordFilter, number[]]>([
    ['everything', {}, [1, 2, 3, 4, 5, 6]],
    ['a kind', { kinds: ['token.issued'] }, [2]],
    ['kinds that begin so', { kinds: ['token.', 'entry.created'] }, [1, 2, 3, 4]],
    ['whom it is for or who did it', { spiffeId: 'spiffe://example.org/db' }, [4, 5]],
    ['through whom', { spiffeId: 'spiffe://example.org/orders' }, [3]],
    ['whose agent', { spiffeId: 'spiffe://example.org/spire/agent/x' }, [5, 6]],
    ['an owner, of the resource too, in any script', { owner: 'team-é' }, [1, 5]],
    ['on which node', { spiffeId: 'spiffe://example.org/spire/agent/y' }, [2]],
    ['no kind that only begins so', { kinds: ['token', 'token.issue'] }, []],
    ['an entry', { entryId: 'e1' }, [1, 2]],
    ['the entry of who asked', { entryId: 'e7' }, [2]],
    ['a token and what was made of it', { jti: 'j1' }, [2, 3]],
    ['a transaction', { transaction: 't1' }, [2, 3]],
    ['a decision', { decision: 'deny' }, [4]],
    ['a reason', { reason: 'policy-none' }, [4]],
    ['from a time on', { since: minute(3) }, [4, 5, 6]],
    ['before a time', { until: minute(2) }, [1, 2]],
    ['between', { since: minute(1), until: minute(2) }, [2]],
    ['a text', { text: 'orders:read' }, [2]],
    ['a text as it stands in the line', { text: '"reason":"policy-none"' }, [4]],
    ['a text with quotes', { text: 'SUM(1)"x"' }, [4]],
    ['a text in any script', { text: '"owner":"team-é"' }, [1]],
    ['all of it at once', { kinds: ['token.'], transaction: 't1', text: 'j2' }, [3]],
    ['nothing that there is', { jti: 'j' }, []],
  ])('finds %s', async (_what, filter, numbers) => {
    expect(await found(filter)).toEqual(numbers)
  })

  test.each<[string, string, RecordFilter]>([
    ['spiffe-id', 'spiffe://example.org/web', { spiffeId: 'spiffe://example.org/web' }],
    [
      'node',
      'spiffe://example.org/spire/agent/x',
      { spiffeId: 'spiffe://example.org/spire/agent/x' },
    ],
    ['owner', 'shop', { owner: 'shop' }],
    ['entry', 'e1', { entryId: 'e1' }],
    ['token', 'j1', { jti: 'j1' }],
    ['transaction', 't1', { transaction: 't1' }],
  ])('finds the revocation of what is looked for: %s', async (kind, id, filter) => {
    const revocation = (details: AuditEvent['details']): AuditEvent => ({
      ...{ kind: 'revocation.written', time: minute(0), actor: { kind: 'local' } },
      ...{ decision: 'allow', details },
    })
    const revoked = nextLine(chainStart, revocation({ kind, id }))
    const audience = nextLine(revoked.head, revocation({ kind: 'audience', id }))
    // Of another kind of record these words say something else.
    const other = nextLine(audience.head, {
      ...revocation({ kind, id }),
      kind: 'event.dropped',
    })
    rmSync(`${path}.000001`)
    rmSync(`${path}.000002`)
    writeFileSync(path, `${revoked.line}\n${audience.line}\n${other.line}\n`)
    expect(await found(filter)).toEqual([1])
  })

  test('finds records that stand before earlier ones, by up to a minute, in the file before', async () => {
    const at = (seconds: number): AuditEvent => ({
      ...{ kind: 'policy.loaded', actor: { kind: 'server' }, decision: 'allow' },
      time: new Date(minute(0).getTime() + seconds * 1000),
    })
    const first = nextLine(chainStart, at(90))
    const second = nextLine(first.head, at(31))
    rmSync(`${path}.000002`)
    writeFileSync(`${path}.000001`, `${first.line}\n`)
    writeFileSync(path, `${second.line}\n`)
    expect(await found({ since: at(90).time })).toEqual([1])
  })

  test('has the file that gets its number meanwhile, and the one after it', async () => {
    const [newer] = readFileSync(path, 'utf8').split('\n')
    const found: string[] = []
    for await (const { record } of searchFiles(path, {})) {
      if (found.length === 0) {
        renameSync(path, `${path}.000003`)
        writeFileSync(path, `${newer?.replace('"n":5,', '"n":7,')}\n`)
      }
      found.push(String(record.n))
    }
    expect(found.join(' ')).toBe('1 2 3 4 5 6 7')
  })

  test('has the file that has just got its number, before there is a new one', async () => {
    const [newer] = readFileSync(path, 'utf8').split('\n')
    const found: string[] = []
    for await (const { record } of searchFiles(path, {})) {
      if (found.length === 0) renameSync(path, `${path}.000003`)
      if (record.n === 5) writeFileSync(path, `${newer?.replace('"n":5,', '"n":7,')}\n`)
      found.push(String(record.n))
    }
    expect(found.join(' ')).toBe('1 2 3 4 5 6 7')
  })

  test('tells of lines that are no records, and goes on', async () => {
    writeFileSync(`${path}.000002`, '{"n":\n[]\n{"v":1}\n')
    const broken: string[] = []
    const numbers: number[] = []
    const each = searchFiles(path, {}, (file) => void broken.push(file))
    for await (const { record } of each) numbers.push(record.n)
    expect(numbers).toEqual([1, 2, 5, 6])
    expect(broken).toEqual(Array.from({ length: 3 }, () => `${path}.000002`))
  })

  test('tells of a file that does not go on in lines, and reads the next', async () => {
    writeFileSync(`${path}.000002`, Buffer.alloc(3 << 20))
    const broken: string[] = []
    const numbers: number[] = []
    const each = searchFiles(path, {}, (file) => void broken.push(file))
    for await (const { record } of each) numbers.push(record.n)
    expect([numbers, broken]).toEqual([[1, 2, 5, 6], [`${path}.000002`]])
  })

  test('reads what an older version has written as if it were of now', async () => {
    const event = {
      kind: 'token.issued',
      time: minute(0),
      actor: { kind: 'server' },
      decision: 'allow',
    } as const
    const details = {
      scope: 'a b',
      auth: 'spiffe_jwt',
      policies: 'p q',
      policyRevision: 'r',
      txn: 't9',
    }
    writeFileSync(path, `${nextLine(chainStart, { ...event, details }).line}\n`)
    for await (const { record } of searchFiles(path, { transaction: 't9' })) {
      expect(record).toMatchObject({
        scope: ['a', 'b'],
        policies: ['p', 'q'],
        policyRevision: 'r',
        actor: { auth: 'spiffe_jwt' },
      })
    }
    expect(await found({ transaction: 't9' })).toEqual([1])
  })
})

describe('countersign audit search', () => {
  const search = (...args: string[]) => runHere(['audit', 'search', path, ...args])

  test('prints a table for people and the very lines for programs', async () => {
    const { stdout } = await search('--kind', 'token.')
    expect(stdout.split('\n')[0]).toMatch(/^ +N +TIME +WORD +KIND +WHAT$/)
    expect(stdout).toMatch(
      / 2 {2}2026-06-01T12:01:00.000Z {2}allow {2}token.issued .*\/web {2}https:\/\/orders orders:read/,
    )
    const json = await search('--kind', 'token.', '-o', 'json')
    expect(
      json.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).n),
    ).toEqual([2, 3, 4])
    expect(await search('--jti', 'none')).toMatchObject({ code: 0, stdout: '', stderr: 'none\n' })
  })

  test('names what was revoked, and which authority was replaced', async () => {
    const act = { time: minute(7), actor: { kind: 'local' }, decision: 'allow' } as const
    const revoked = nextLine(chainStart, {
      ...{ ...act, kind: 'revocation.written', reason: 'laptop lost' },
      details: { kind: 'entry', id: 'e1' },
    })
    const replaced = nextLine(revoked.head, {
      ...{ ...act, kind: 'authority.activated', authorityId: 'a1' },
      ...{ spiffeId: SpiffeId.parse('spiffe://example.org'), details: { authority: 'jwt' } },
    })
    writeFileSync(path, `${revoked.line}\n${replaced.line}\n`)
    const { stdout } = await search('--since', minute(7).toISOString())
    expect(stdout).toContain('revocation.written    entry e1  laptop lost  by local\n')
    expect(stdout).toContain('authority.activated   spiffe://example.org  jwt a1  by local\n')
  })

  test('T28 what somebody else wrote into the trail cannot drive the terminal', async () => {
    const [first = ''] = readFileSync(`${path}.000001`, 'utf8').split('\n')
    const doctored = first.replace('"decision"', '"reason":"\u009b2J\u202e",\r\t"decision"')
    writeFileSync(path, `${doctored}\n`)
    for (const verb of [
      ['search', path, '-o', 'json'],
      ['export', path],
    ]) {
      const { stdout } = await runHere(['audit', ...verb])
      expect(stdout).toMatch(/^[\x20-\x7e\n]+$/)
      const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
      expect(last).toMatchObject({ n: 1, reason: '\u009b2J\u202e' })
    }
  })

  test.each([
    [['audit', 'search'], []],
    [
      ['audit', 'search'],
      ['--jti', 'none'],
    ],
    [['audit', 'export'], []],
    [['audit', 'verify'], []],
    [
      ['audit', 'verify'],
      ['--anchor', '/dev/zero'],
    ],
    [['report', '--trail'], []],
  ])('%s is interrupted at once, however much there is to read (%s)', async (verb, more) => {
    const interrupted = AbortSignal.abort(new DOMException('stopped', 'AbortError'))
    expect(await runHere([...verb, path, ...more], {}, interrupted)).toMatchObject({ code: 130 })
  })

  test('tells how many lines were left out, and so does a report', async () => {
    writeFileSync(path, `{"broken\n${readFileSync(path, 'utf8')}`)
    for (const verb of [
      ['audit', 'search', path],
      ['audit', 'export', path],
      ['report', '--trail', path],
    ]) {
      expect((await runHere(verb)).stderr).toContain('left out: 1 line that no server wrote so')
    }
  })

  test('prints the first so many, or the newest', async () => {
    const numbers = ({ stdout }: { stdout: string }) =>
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).n)
    expect(numbers(await search('--limit', '2', '-o', 'json'))).toEqual([1, 2])
    expect(numbers(await search('--last', '2', '-o', 'json'))).toEqual([5, 6])
  })

  test.each([
    ['--since', 'yesterday'],
    ['--until', '2026-13-01'],
    ['--since', '2026-06-01T12:00:00'],
    ['--kind', 'token'],
    ['--decision', 'maybe'],
    ['--last', '10001'],
    ['--limit', '0'],
  ])('refuses %s %s', async (flag, value) => {
    const { code, stderr } = await search(flag, value)
    expect(code).toBe(64)
    expect(stderr).toContain('error[usage]')
  })

  test('a kind that there is not is refused with the nearest one, not answered with nothing', async () => {
    expect((await search('--kind', 'tokn.')).stderr).toContain('did you mean token.?')
    expect((await search('--kind', 'token.isued')).stderr).toContain('did you mean token.issued?')
  })

  test('says what to do about a file that is not there', async () => {
    const { stderr } = await runHere(['audit', 'search', `${path}.gone`])
    expect(stderr).toContain('error[audit-file-unreadable]')
  })
})

describe('countersign audit export', () => {
  const lines = async (...args: string[]) =>
    (await runHere(['audit', 'export', path, ...args])).stdout.trimEnd().split('\n')

  test('json is the lines as they stand in the trail', async () => {
    expect((await lines()).map((line) => JSON.parse(line).n)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('RFC 4180 csv has a heading, and nothing that a spreadsheet would run', async () => {
    const [heading = '', ...rows] = await lines('--format', 'csv', '--kind', 'token.')
    expect(heading).toMatch(
      /^n,time,kind,decision,reason,actor_kind,.*,details,actor_entry_id,.*\r$/,
    )
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatch(
      /^2,2026-06-01T12:01:00.000Z,token.issued,allow,,workload,spiffe:\/\/example.org\/web,/,
    )
    expect(rows[2]).toContain(`"'=SUM(1)""x"";' @cmd;a-b"`)
    const cells = rows[0]?.trim().split(',') ?? []
    const cellOf = (name: string) => cells[heading.trim().split(',').indexOf(name)]
    expect(cellOf('actor_entry_id')).toBe('e7')
    const columns = heading.split(',').length
    expect(rows[1]?.split(',')).toHaveLength(columns)
  })

  test('ocsf is Authentication, Authorize Session or Base Event of 1.3, with what the schema requires', async () => {
    const all = (await lines('--format', 'ocsf')).map((line) => JSON.parse(line))
    expect(
      all.map(({ class_uid, type_uid, status_id }) => [class_uid, type_uid, status_id]),
    ).toEqual([
      [0, 99, 1],
      [3003, 300_301, 1],
      [3003, 300_301, 1],
      [3003, 300_301, 2],
      [3002, 300_299, 1],
      [3002, 300_201, 1],
    ])
    for (const event of all) {
      expect(event.type_uid).toBe(event.class_uid * 100 + event.activity_id)
      expect(event.metadata).toMatchObject({
        version: '1.3.0',
        product: { vendor_name: 'Countersign' },
      })
      expect(event.severity_id).toBe(event.status_id)
      expect(event.category_uid).toBe(Math.floor(event.class_uid / 1000))
      expect(Number.isSafeInteger(event.time) && Number.isSafeInteger(event.severity_id)).toBe(true)
      if (event.class_uid === 0) continue
      expect(event.user.uid).toMatch(/^spiffe:/)
      // At least one of them, by the constraints of the two classes.
      expect(event.class_uid === 3002 ? event.service.name : event.privileges[0]).toBeTruthy()
    }
    // As it stands there, with its place in the chain.
    const written = (await lines('--format', 'json')).map((line) => JSON.parse(line))
    expect(all.map(({ unmapped }) => unmapped)).toEqual(written)
    expect(all[0].unmapped.hash).toBeTruthy()
    expect(all[1]).toMatchObject({
      privileges: ['orders:read'],
      session: { uid: 'j1', uid_alt: 't1', expiration_time: minute(9).getTime() },
      src_endpoint: { ip: '127.0.0.1', port: 5000 },
    })
    expect(all[3]).toMatchObject({ status: 'Failure', status_detail: 'policy-none' })
    expect(all[5].src_endpoint).toEqual({ ip: '::1', port: 7 })
  })

  test('another format is refused', async () => {
    const { code } = await runHere(['audit', 'export', path, '--format', 'xml'])
    expect(code).toBe(64)
  })
})

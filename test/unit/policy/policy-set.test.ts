import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { builtInPolicies } from '../../../src/policy/built-in.ts'
import { readPolicyFolder } from '../../../src/policy/policy-folder.ts'
import { type PolicyFile, readPolicySet } from '../../../src/policy/policy-set.ts'
import { systemClock } from '../../../src/runtime/clock.ts'

const read = (files: readonly PolicyFile[]) => readPolicySet(files, systemClock)
const sound = '@id("a") permit (principal, action, resource);'

test.for([
  ['permit (principal', 'policy-syntax'],
  ['permit (principal, action, resource);', 'policy-id'],
  ['@id permit (principal, action, resource);', 'policy-id'],
  ['@id("") permit (principal, action, resource);', 'policy-id'],
  ['@id("countersign.a") permit (principal, action, resource);', 'policy-id'],
  ['@id("a b") permit (principal, action, resource);', 'policy-id'],
  [`${sound} ${sound}`, 'policy-id'],
  ['@id("a") permit (principal == ?principal, action, resource);', 'policy-template'],
  [
    '@id("a") permit (principal is Workload, action in Action::"getToken", resource) when { principal.ownr == "x" };',
    'policy-schema',
  ],
  [
    '@id("a") permit (principal is Workload, action in Action::"getToken", resource) when { context.ttl > "1" };',
    'policy-schema',
  ],
  ['@id("a") permit (principal, action in Action::"constructor", resource);', 'policy-schema'],
  ['@id("a") permit (principal, action == Action::"isueToken", resource);', 'policy-schema'],
  ['@id("a") permit (principal is Workloads, action, resource);', 'policy-schema'],
  [
    '@id("a") permit (principal is Workload, action in Action::"getToken", resource) when { principal.getTag("env") == "x" };',
    'policy-schema',
  ],
  ['@id("a") permit (principal is Api, action, resource);', 'policy-schema'],
  ...(
    [
      'principal == Workload::"spiffe://example.org/web/", action, resource',
      'principal == Workload::"spiffe://Example.org/web", action, resource',
      'principal == Workload::"web", action, resource',
      'principal, action, resource == SpiffeId::"spiffe://example.org/a b"',
      'principal, action, resource == Node::"spiffe://example.org/../a"',
      'principal, action, resource == TrustDomain::"spiffe://example.org"',
    ] as const
  ).map((head) => [`@id("a") forbid (${head});`, 'policy-entity'] as const),
  [
    '@id("a") forbid (principal is Workload, action == Action::"issueToken", resource) when { principal == Workload::"spiffe://example.org/Web/" };',
    'policy-entity',
  ],
] as const)('%s is refused: %s', async ([text, reason]) => {
  await expect(read([{ name: 'a.cedar', text }])).rejects.toMatchObject({ reason })
})

test('each policy is checked, however long those before it are, and of a long name its beginning is told', async () => {
  const long = (id: string, action: string) =>
    `@id("${id}") permit (principal, action in [Action::"getToken", Action::"${action}"], resource);`
  const good = sound.replace(';', ` when { "${'a'.repeat(40_000)}" != "a" };`)
  const files = [good, long('b', 'callVendor'), long('c', 'x'.repeat(40_000)), long('d', 'y')]
  const refused = read(files.map((text, n) => ({ name: `${n}.cedar`, text })))
  await expect(refused).rejects.toThrow(/^2\.cedar:1: .{0,500}…; 3\.cedar:1: .{0,500}$/s)
})

test.for([
  ['TrustDomain::"spiffe://example.org"', 'write its name alone, such as example.org'],
  [
    'Node::"node-7"',
    'write the ID as "countersign entry list" shows it, such as spiffe://example.org/web',
  ],
] as const)('of %s, which cannot be, is said how it is written', async ([entity, fix]) => {
  const text = `@id("a") forbid (principal, action, resource == ${entity});`
  await expect(read([{ name: 'a.cedar', text }])).rejects.toMatchObject({ fix })
})

test('what an annotation is called makes it no name of anybody', async () => {
  const text = '@id("a") @type("Workload") permit (principal, action, resource);'
  expect([...(await read([{ name: 'a.cedar', text }])).keys()]).toEqual(['a'])
})

test('what another action has no such thing of cannot be asked without saying which action is meant', async () => {
  const ttl = (action: string) =>
    read([
      {
        name: 'a.cedar',
        text: `@id("a") forbid (principal, ${action}, resource) when { context.ttl > 60 };`,
      },
    ])
  await expect(ttl('action')).rejects.toMatchObject({ reason: 'policy-schema' })
  expect((await ttl('action in Action::"getToken"')).size).toBe(1)
})

test('the policies of the product itself fit its schema', async () => {
  const own = [...builtInPolicies({ separateEnvironments: true }).values()]
  const text = own.map((policy) => policy.text.replace('countersign.', 'x.')).join('\n')
  expect((await read([{ name: 'own.cedar', text }])).size).toBe(3)
})

test('a fault, and each policy, is told with its file and line', async () => {
  const text = `${sound}\n\n${sound.replace('"a"', '"b"')}`
  const set = await read([{ name: 'a.cedar', text }])
  expect([...set.values()].map(({ place }) => place)).toEqual(['a.cedar:1', 'a.cedar:3'])
  for (const [more, message] of [
    ['permit (', /^a\.cedar:5: /],
    ['@id("c") permit (principal, action, resource) when { principal.x };', /^a\.cedar:5: /],
  ] as const) {
    await expect(read([{ name: 'a.cedar', text: `${text}\n\n${more}` }])).rejects.toThrow(message)
  }
})

test('policies of all files are one set; one id in two files is refused', async () => {
  const other = sound.replace('"a"', '"b"')
  const set = await read([
    { name: 'a.cedar', text: sound },
    { name: 'b.cedar', text: other },
  ])
  expect([...set.keys()]).toEqual(['a', 'b'])
  const twice = ['a.cedar', 'b.cedar'].map((name) => ({ name, text: sound }))
  await expect(read(twice)).rejects.toMatchObject({ reason: 'policy-id' })
})

test('the set is read in slices, between which others have their turn', async () => {
  const text = Array.from({ length: 64 }, (_, n) => sound.replace('"a"', `"p${n}"`)).join('\n')
  let ms = 0
  const clock = { ...systemClock, monotonicMs: () => (ms += 5) }
  let done = false
  let turns = 0
  const reading = readPolicySet([{ name: 'a.cedar', text }], clock).then(() => {
    done = true
  })
  for (; !done; turns += 1) await setImmediate()
  await reading
  expect(turns).toBeGreaterThan(64)
})

test('a folder gives its *.cedar files and no others; what everybody may write, or is no file, is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'more'))
  for (const name of ['b.cedar', 'a.cedar', '.c.cedar', 'readme.txt', 'more/d.cedar']) {
    writeFileSync(join(folder, name), sound, { mode: 0o644 })
  }
  const first = await readPolicyFolder(folder)
  expect(first.files.map(({ name }) => name)).toEqual(['a.cedar', 'b.cedar'])
  writeFileSync(join(folder, 'a.cedar'), '')
  expect((await readPolicyFolder(folder)).revision).not.toBe(first.revision)
  for (const make of [
    () => mkdirSync(join(folder, 'c.cedar')),
    () => execFileSync('mkfifo', [join(folder, 'c.cedar')]),
  ]) {
    make()
    await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-folder' })
    rmSync(join(folder, 'c.cedar'), { recursive: true })
  }
  chmodSync(join(folder, 'a.cedar'), 0o666)
  await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-file-mode' })
  chmodSync(join(folder, 'a.cedar'), 0o644)
  for (const mode of [0o777, 0o1777]) {
    chmodSync(folder, mode)
    await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-file-mode' })
  }
  chmodSync(folder, 0o755)
  await readPolicyFolder(folder)
  // As an editor set to Latin-1 writes it.
  const named = '@id("no") forbid (principal, action, resource == Api::"café");'
  writeFileSync(join(folder, 'a.cedar'), named, 'latin1')
  await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-file-text' })
  writeFileSync(join(folder, 'a.cedar'), named)
  expect((await readPolicyFolder(folder)).files[0]?.text).toBe(named)
  await expect(readPolicyFolder(join(folder, 'none'))).rejects.toMatchObject({
    reason: 'policy-folder',
  })
})

test('a folder that everybody may write is taken where it is mounted read-only, as that of a ConfigMap is', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'a.cedar'), sound, { mode: 0o644 })
  chmodSync(folder, 0o777)
  const unshared = (...command: readonly string[]) =>
    spawnSync('unshare', ['-Urm', ...command], { encoding: 'utf8' })
  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'
  if (unshared('sh', '-c', mount, folder).status !== 0) {
    return context.skip('this machine lets nobody mount')
  }
  const module = fileURLToPath(new URL('../../../src/policy/policy-folder.ts', import.meta.url))
  const script = `import(process.argv[1]).then((m) => m.readPolicyFolder(process.argv[2]))
    .then(({ files }) => console.log(files[0].name))`
  const read = `exec "${process.execPath}" -e '${script}' "$1" "$0"`
  const { stdout, stderr } = unshared('sh', '-c', `${mount} && ${read}`, folder, module)
  expect(stdout, stderr).toBe('a.cedar\n')
  return expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-file-mode' })
})

test('a file is read to its end, however little of it the file system gives at a time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'a.cedar'), sound)
  const any = await open(join(folder, 'a.cedar'))
  await any.close()
  const handles: FileHandle = Object.getPrototypeOf(any)
  const { read: whole } = handles
  const little = vi.spyOn(handles, 'read').mockImplementation(function (
    this: FileHandle,
    ...asked
  ) {
    const [buffer, offset, length, position] = asked as unknown as [Buffer, number, number, number]
    return Reflect.apply(whole, this, [buffer, offset, Math.min(length, 7), position])
  } as typeof whole)
  onTestFinished(() => little.mockRestore())
  expect((await readPolicyFolder(folder)).files[0]?.text).toBe(sound)
  expect(little.mock.calls.length).toBeGreaterThan(sound.length / 7)
})

test('T12 a folder of too many files is refused, and a file that is too large, not read in part', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  const most = 256 << 10
  write('a.cedar', sound.padEnd(most))
  expect((await readPolicyFolder(folder)).files[0]?.text).toHaveLength(most)
  write('a.cedar', `${sound.padEnd(most)} @id("no") forbid (principal, action, resource);`)
  await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-file-large' })
  for (let n = 0; n < 256; n += 1) write(`${n}.cedar`, '')
  await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-files' })
  rmSync(join(folder, 'a.cedar'))
  expect((await readPolicyFolder(folder)).files).toHaveLength(256)
})

test('of many policies each is checked against the schema, wherever it stands', async () => {
  const policy = (n: number) => `@id("p${n}") permit (principal, action, resource);`
  const texts = Array.from({ length: 40 }, (_, n) => policy(n))
  for (const at of [0, 15, 16, 31, 32, 39]) {
    const mistyped = '@id("x") permit (principal, action == Action::"isueToken", resource);'
    const text = texts.with(at, mistyped).join('\n')
    await expect(read([{ name: 'a.cedar', text }])).rejects.toMatchObject({
      reason: 'policy-schema',
      message: expect.stringContaining(`a.cedar:${at + 1}: `),
    })
  }
})

test('T12 more policies than there may be are refused before they are checked', async () => {
  const policy = (n: number) => `@id("p${n}") permit (principal, action, resource);`
  const files = Array.from({ length: 17 }, (_, file) => ({
    name: `${file}.cedar`,
    text: Array.from({ length: 241 }, (_, n) => policy(file * 241 + n)).join('\n'),
  }))
  await expect(read(files)).rejects.toMatchObject({ reason: 'policy-count' })
})

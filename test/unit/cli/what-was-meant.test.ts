import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createIo } from '../../../src/cli/io.ts'
import { createProgram } from '../../../src/cli/program.ts'

/** What is said of a command line that is wrong. */
async function saidOf(
  line: string,
  code: unknown = expect.stringMatching(/^commander\./),
): Promise<string> {
  let said = ''
  const stderr = new Writable({
    write(chunk, _, done) {
      said += String(chunk)
      done()
    },
  })
  const { signal } = new AbortController()
  const io = createIo({ stdout: stderr, stderr, env: {}, signal, every: () => () => {} })
  const asked = createProgram(io, '0').parseAsync(line.split(' '), { from: 'user' })
  await expect(asked).rejects.toMatchObject({ code })
  return said
}

test.each([
  ['entry create -parentID a', '-parentID', 'did you mean --parent-id?'],
  ['entry create --spiffeID=a', '--spiffeID=a', 'did you mean --spiffe-id?'],
  ['entry create -x509SVIDTTL 60', '-x509SVIDTTL', 'did you mean --x509-svid-ttl?'],
  ['bundle show -format spiffe', '-format', 'did you mean --format?'],
  ['entry list -socketPath a', '-socketPath', 'did you mean --admin-socket?'],
  ['fetch x509 -socketPath a', '-socketPath', 'did you mean --socket?'],
  // Instead of a flag that has to be there.
  ['entry delete -entryID a', '-entryID', 'did you mean --id?'],
  ['agent ban -spiffeID a', '-spiffeID', 'did you mean --id?'],
  ['bundle set -id a -path b', '-id', 'did you mean --trust-domain?'],
  // Here --id is no SPIFFE ID.
  ['entry show -spiffeID a', '-spiffeID', 'see "countersign entry show --help"'],
  ['fetch x509 -write a', '-write', 'see "countersign fetch x509 --help"'],
  // What every object of JavaScript has is no flag.
  ['entry list --constructor a', '--constructor', 'see "countersign entry list --help"'],
])('%s: the flag that is none is told, with the one that was meant', async (line, flag, fix) => {
  expect(await saidOf(line)).toBe(`error: unknown option '${flag}'\n  fix: ${fix}\n`)
})

test.each([
  ['grant list', '--output json'],
  ['report', '--format json'],
])('who asks %s for --json hears how it is said here', async (verb, words) => {
  expect(await saidOf(`${verb} --json`, 'commander.unknownOption')).toBe(
    `error: unknown option '--json'\n  fix: use ${words}\n`,
  )
})

test('what every object of JavaScript has is no verb', async () => {
  expect(await saidOf('constructor')).toBe(
    `error: unknown command 'constructor'\n  fix: see "countersign --help"\n`,
  )
})

test('a flag that is needed and not there is told where nothing stands in its place', async () => {
  expect(await saidOf('entry delete')).toBe(
    `error: required option '--id <id...>' not specified\n  fix: see "countersign entry delete --help"\n`,
  )
})

test.each([
  'agent count',
  'agent purge',
  'api fetch',
  'bundle count',
  'healthcheck',
  'jwt mint',
  'localauthority x509 show',
  'run -config a',
  'token generate -spiffeID a',
  'x509 mint',
])(`SPIRE's %s is told by its name here, which there is`, async (line) => {
  const said = await saidOf(line)
  const [, names = ''] = /fix: here it is: countersign (.+)\n/.exec(said) ?? []
  const { signal } = new AbortController()
  const out = new Writable({ write: (_, __, done) => done() })
  const io = createIo({ stdout: out, stderr: out, env: {}, signal, every: () => () => {} })
  for (const name of names.split(', ')) {
    let at = createProgram(io, '0')
    for (const word of name.split(' ')) {
      const verb = at.commands.find((one) => one.name() === word)
      if (verb === undefined) throw new Error(`${name}: there is no ${word}`)
      at = verb
    }
  }
})

import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createIo } from '../../../src/cli/io.ts'
import { createProgram } from '../../../src/cli/program.ts'

/** What each verb takes on its line: `broker seal --secret-file <path>`, `revoke token <jti>`. */
function takenBy(command: Command, path = ''): readonly string[] {
  const own = [
    ...command.options.map(({ flags }) => flags.replace(/^-\w, /, '')),
    ...command.registeredArguments.map((argument) => `<${argument.name()}>`),
  ]
  const deeper = command.commands.flatMap((one) => takenBy(one, `${path} ${one.name()}`))
  return [...own.map((one) => `${path} ${one}`.trim()), ...deeper]
}

test('T21 no secret is taken on a command line, where a list of processes would show it, but the path of a file that holds it', () => {
  const { stdout, stderr } = process
  const { signal } = new AbortController()
  const io = createIo({ stdout, stderr, env: {}, signal, every: () => () => {} })
  const named = takenBy(createProgram(io, '0')).filter((one) =>
    /[<-][a-z-]*(?:key|secret|token|password|credential|assertion|pin)/.test(one),
  )
  expect(named).toContain('broker seal --secret-file <path>')
  expect(named).toContain('legacy add --key-file <path>')
  // What is left is a digest, names and a URL.
  const values = named.filter((one) => /<(?!path|key=value)/.test(one))
  expect(values).toEqual([
    'audit verify --key <sha256>',
    'policy explain --token-owner <name>',
    'fetch token --token-endpoint <url>',
    'files --key <name>',
  ])
})

test.each([
  [['grant', 'list'], '--output json'],
  [['report'], '--format json'],
])('who asks %s for --json hears how it is said here', async (verb, words) => {
  let said = ''
  const stderr = new Writable({
    write(chunk, _, done) {
      said += String(chunk)
      done()
    },
  })
  const { signal } = new AbortController()
  const io = createIo({ stdout: stderr, stderr, env: {}, signal, every: () => () => {} })
  const asked = createProgram(io, '0').parseAsync([...verb, '--json'], { from: 'user' })
  await expect(asked).rejects.toMatchObject({ code: 'commander.unknownOption' })
  expect(said).toBe(`error: unknown option '--json'\n  fix: use ${words}\n`)
})

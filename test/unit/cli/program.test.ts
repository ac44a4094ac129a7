import { type Command, InvalidArgumentError } from 'commander'
import { expect, test } from 'vitest'
import { describeFailure } from '../../../src/cli/failure.ts'
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

function program(): Command {
  const { stdout, stderr } = process
  const { signal } = new AbortController()
  return createProgram(createIo({ stdout, stderr, env: {}, signal, every: () => () => {} }), '0')
}

interface Value {
  /** `svid mint jwt --ttl <duration>` */
  readonly of: string
  read(text: string): unknown
}

/** Each value that a verb takes, with its flag or as an argument. */
function valuesOf(command: Command, path = ''): readonly Value[] {
  const options = command.options
    .filter(({ required, optional }) => required || optional)
    .map((option) => ({ name: option.flags.replace(/^-\w, /, ''), reader: option.parseArg }))
  const given = command.registeredArguments.map((argument) => ({
    ...{ name: `<${argument.name()}>`, reader: argument.parseArg },
  }))
  const own = [...options, ...given].map(({ name, reader }) => ({
    of: `${path} ${name}`.trim(),
    read: (text: string) => reader?.<unknown>(text, undefined),
  }))
  return [...own, ...command.commands.flatMap((one) => valuesOf(one, `${path} ${one.name()}`))]
}

/** What any text may be, or what a file, a server or a program has to say to it. */
const free: readonly RegExp[] = [
  / <(?:path|file|folder|text|hint|owner|command|command\.\.\.|jti|txn|kid|resource|file\|url)>$/,
  /--(?:owner|purpose|reason|hint|resource|integration|scope|audience|dns-name|entry) /,
  /--(?:auth|subject|actor|client|operator|token-owner|resource-owner|resource-env) /,
  /--(?:address|method|path) |--(?:network|txn) /,
  / --id <(?:id|id\.\.\.|authority id)>$/,
  /^(?:audit|grant) .*--spiffe-id /,
  /^legacy (?:add|remove) <name>$|^revoke (?:owner|entry|integration) /,
  /^files --(?:key|cert|bundle|combined|pkcs12) /,
  // As the file in which they may stand as well: what is wrong with that ends with 78.
  /^(?:server|agent) run --/,
]

test('a value that does not have its form ends every verb with 64, and the error names its flag', () => {
  const values = valuesOf(program()).filter(({ of }) => !free.some((one) => one.test(of)))
  const ends = values.map(({ of, read }) => {
    try {
      read('\u0000no')
      return `${of} takes anything`
    } catch (error) {
      // One of a list of words, which commander refuses.
      if (error instanceof InvalidArgumentError) return 'usage'
      const { exitCode, lines } = describeFailure(error)
      const [name = ''] = /--[a-z0-9-]+|<[a-z ]+>$/.exec(of) ?? []
      // Where nobody has written the flag, it is a variable that says it.
      const named = name === '--socket' ? `${name} or SPIFFE_ENDPOINT_SOCKET` : name
      return exitCode === 64 && lines[0]?.startsWith(`error[usage]: ${named}: `)
        ? 'usage'
        : [of, lines]
    }
  })
  expect(ends.filter((one) => one !== 'usage')).toEqual([])
  expect(ends.length).toBeGreaterThan(100)
})

test('T21 no secret is taken on a command line, where a list of processes would show it, but the path of a file that holds it', () => {
  const named = takenBy(program()).filter((one) =>
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

import type { Command } from 'commander'
import { nearest } from '../runtime/suggest.ts'

/** What commander refuses, with what to do where it stands in every other error, also where commander has a guess. */
export function withFix(text: string, command: Command): string {
  const [, flag] = /^error: unknown option '(.+)'/.exec(text) ?? []
  if (flag !== undefined) return aboutOption(flag, command)
  // What was written in the place of a flag that is needed is what is wrong.
  const stranger = command.args.find((word) => /^-./.test(word))
  if (text.startsWith('error: required option') && stranger !== undefined) {
    return aboutOption(stranger, command)
  }
  const [, verb] = /^error: unknown command '(.+)'/.exec(text) ?? []
  const ours =
    verb === undefined ? undefined : verbsOfSpire.get(pathOf([...wordsOf(command), verb]))
  const guess = /^\(Did you mean (.+)\?\)$/m
  if (ours !== undefined) {
    return `${text.replace(guess, '').trimEnd()}\n  fix: here it is: countersign ${ours}\n`
  }
  return guess.test(text)
    ? text.replace(guess, '  fix: did you mean $1?')
    : `${text}  fix: ${seeHelp(command)}\n`
}

function aboutOption(flag: string, command: Command): string {
  return `error: unknown option '${flag}'\n  fix: ${meantBy(flag, command) ?? seeHelp(command)}\n`
}

function meantBy(flag: string, command: Command): string | undefined {
  const own = command.options.flatMap(({ long }) => (long === undefined ? [] : [long]))
  const takes = (what: string): boolean =>
    command.options.some(({ long, flags }) => long === what || flags === what)
  if (flag === '--json') {
    const json = ['--output', '--format'].find(takes)
    if (json !== undefined) return `use ${json} json`
  }
  const word = flag.replace(/^-+/, '').replace(/=.*$/s, '')
  const elsewhere = optionsOfSpire.get(word)?.find(takes)?.replace(/ .*/, '')
  const near = elsewhere ?? nearest(`--${word}`, [...own, '--help'])
  return near === undefined ? undefined : `did you mean ${near}?`
}

function seeHelp(command: Command): string {
  return `see "countersign ${pathOf([...wordsOf(command), '--help'])}"`
}

const pathOf = (words: readonly string[]): string => words.join(' ')

/** As it is typed, without the name of the program. */
function wordsOf(command: Command): readonly string[] {
  return command.parent === null ? [] : [...wordsOf(command.parent), command.name()]
}

/** What spire-server and spire-agent call what has another name here. */
const verbsOfSpire: ReadonlyMap<string, string> = new Map([
  ['agent count', 'agent list'],
  ['agent purge', 'agent evict'],
  ['api', 'fetch x509, fetch jwt, watch, validate jwt'],
  ['bundle count', 'bundle list'],
  ['healthcheck', 'server health, agent health'],
  ['jwt', 'svid mint jwt'],
  ['localauthority', 'authority'],
  ['run', 'server run, agent run'],
  ['token generate', 'token create'],
  ['x509', 'svid mint x509'],
])

const optionsOfSpire: ReadonlyMap<string, readonly string[]> = new Map([
  ['authorityID', ['--id']],
  ['bundleEndpointProfile', ['--profile']],
  ['bundleEndpointURL', ['--url']],
  ['dns', ['--dns-name']],
  ['endpointSpiffeID', ['--endpoint-spiffe-id']],
  ['entryExpiry', ['--expires']],
  ['entryID', ['--id']],
  ['id', ['--trust-domain']],
  ['path', ['--file']],
  ['socketPath', ['--admin-socket', '--socket']],
  ['spiffeID', ['--spiffe-id', '--id <spiffe id>']],
  ['trustDomainBundlePath', ['--bundle-file']],
])

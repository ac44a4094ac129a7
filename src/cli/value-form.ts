import type { Command, Option } from 'commander'
import { CountersignError } from '../errors.ts'
import { usage } from './usage.ts'

type Check = (text: string) => unknown

/** For an option whose text goes on as it is, once it has the form that `check` asks for. */
export function formed(check: Check): (text: string) => string {
  return (text) => {
    check(text)
    return text
  }
}

/** The same for each of those that are repeated. */
export function eachFormed(check: Check): (text: string, before?: readonly string[]) => string[] {
  return (text, before = []) => [...before, formed(check)(text)]
}

/** An empty text says something of its own. */
export function orEmpty(check: Check): Check {
  return (text) => text === '' || check(text)
}

/** Throws `invalid` / `usage`. */
export function httpsUrl(text: string): void {
  if (text.startsWith('https://') && URL.canParse(text)) return
  throw usage(
    `no https URL: ${text}`,
    'write it with its scheme and host, for example https://as.example.org',
  )
}

/**
 * A value that does not have its form is a mistake on the command line, whatever reads it: the error names the flag, and
 * the variable that may have said it in its place.
 */
export function sayWhichValue(command: Command): void {
  const named = [
    ...command.options.map((option) => ({ of: option, name: nameOf(option) })),
    ...command.registeredArguments.map((argument) => ({
      of: argument,
      name: `<${argument.name()}>`,
    })),
  ]
  for (const { of, name } of named) {
    const { parseArg } = of
    if (parseArg === undefined) continue
    of.argParser<unknown>((text, before) => {
      try {
        return parseArg(text, before)
      } catch (error) {
        throw error instanceof CountersignError ? misused(name, error) : error
      }
    })
  }
}

function nameOf(option: Option): string {
  const flag = `--${option.name()}`
  return option.envVar === undefined ? flag : `${flag} or ${option.envVar}`
}

function misused(name: string, error: CountersignError): CountersignError {
  return usage(`${name}: ${error.message}`, error.fix, error)
}

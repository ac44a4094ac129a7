import { CountersignError } from '../errors.ts'

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
  throw new CountersignError('invalid', `no https URL: ${text}`, {
    reason: 'usage',
    fix: 'write it with its scheme and host, for example https://as.example.org',
  })
}

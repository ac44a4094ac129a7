import { CountersignError } from '../../../src/errors.ts'
import { decodedText } from '../../../src/request-target/canonical-path.ts'

const queryText = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: no name has one, and some readers end a name there
const control = /[\u0000-\u001f\u007f]/
/** By these some vendors take another method than that of the request: the one that was decided on would not be it. */
const methodNames = ['_method', 'x-http-method', 'x-http-method-override', 'x-method-override']

/**
 * The names of a query's parameters, decoded. The query itself is sent as it came: what is looked at is what two readers
 * could take for two queries, as far as it matters here. Throws `invalid`: `query-…` (`character`, `control`,
 * `double-encoding`, `token`, `method`), `path-encoding`.
 */
export function parameterNames(query: string): readonly string[] {
  if (!queryText.test(query)) refuse('query-character', 'the query holds what no URL may')
  if (query.includes('%00')) refuse('query-control', 'the query holds a NUL')
  const names = query
    .slice(1)
    .split(/[&;]/)
    .filter((pair) => pair !== '')
    .map((pair) => decodedText((pair.split('=')[0] ?? '').replaceAll('+', ' ')))
  for (const name of names) {
    if (control.test(name)) refuse('query-control', 'a parameter’s name holds a control character')
    if (name.includes('%')) refuse('query-double-encoding', 'a parameter’s name is encoded twice')
  }
  if (readsAs(names, 'access_token')) {
    refuse('query-token', 'a token belongs into the header authorization, not into the URL')
  }
  if (methodNames.some((one) => readsAs(names, one))) {
    refuse('query-method', 'the query names another method than the request has')
  }
  return names
}

/** Whether somebody may read one of these names as that: PHP for one reads `a.b`, ` a b` and `a[b` as `a_b`, and `a_b[]` too. */
export function readsAs(names: readonly string[], name: string): boolean {
  const wanted = folded(name)
  return names.some((one) => {
    const plain = one.normalize('NFKC').trim()
    return [plain, plain.split('[')[0] ?? ''].some((reading) => folded(reading) === wanted)
  })
}

function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '_')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

import { readCompact } from '../../src/jwt/compact.ts'
import type { Form } from './form.ts'

/** Nothing that a reader of the record could take for something else. */
const plain = /^[\x21-\x7e]{1,256}$/

/**
 * Who somebody says to be that has not proved it, for the record and nothing else: by `client_id`, else by the subject of
 * his assertion, which nobody has verified. Undefined where he says nothing that could be a name.
 */
export function claimedClient(form: Form | undefined): string | undefined {
  const said = form?.get('client_id') ?? subjectOf(form?.get('client_assertion'))
  return typeof said === 'string' && plain.test(said) ? said : undefined
}

function subjectOf(assertion: string | undefined): unknown {
  if (assertion === undefined) return undefined
  try {
    return readCompact(assertion).claims['sub']
  } catch {
    return undefined
  }
}

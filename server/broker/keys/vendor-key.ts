import type { Secret } from '../../../src/runtime/secret.ts'
import type { Injection } from '../settings.ts'
import { formsOf } from './secret-forms.ts'

/** A vendor's key, ready for use: only what is sent to the vendor ever holds it. */
export interface VendorKey {
  readonly secret: Secret
  /** Puts the key where the vendor wants it, in place of whatever is there. */
  inject(outgoing: { readonly query: string; readonly headers: ReadonlyMap<string, string> }): {
    readonly query: string
    readonly headers: ReadonlyMap<string, string>
  }
  /** How an answer may repeat it. */
  readonly forms: readonly Buffer[]
}

/** The keys of an integration: where one has taken another's place, its vendor may take either. */
export interface VendorKeys {
  readonly current: VendorKey
  readonly previous: VendorKey | undefined
  /** How an answer may repeat any of them. */
  readonly forms: readonly Buffer[]
}

/** This key, in the place of the one `before`; where that is the same, the one before it stays what it was. */
export function keysWith(current: VendorKey, before: VendorKeys | undefined): VendorKeys {
  const isSame = before?.current.secret.equals(current.secret) === true
  const previous = isSame ? before?.previous : before?.current
  return { current, previous, forms: [...current.forms, ...(previous?.forms ?? [])] }
}

export function vendorKey(secret: Secret, injection: Injection): VendorKey {
  const value = secret.reveal()
  if (injection.kind === 'query') {
    const pair = `${encodeURIComponent(injection.name)}=${encodeURIComponent(value)}`
    return {
      secret,
      forms: formsOf(value),
      inject: ({ query, headers }) => ({
        query: query.length > 1 ? `${query}&${pair}` : `?${pair}`,
        headers,
      }),
    }
  }
  const [name, held] =
    injection.kind === 'header'
      ? [injection.name.toLowerCase(), `${injection.prefix}${value}`]
      : [
          'authorization',
          `Basic ${Buffer.from(`${injection.user}:${value}`, 'latin1').toString('base64')}`,
        ]
  return {
    secret,
    forms: formsOf(value),
    inject: ({ query, headers }) => ({ query, headers: new Map(headers).set(name, held) }),
  }
}

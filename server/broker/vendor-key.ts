import type { Secret } from '../../src/runtime/secret.ts'
import { formsOf } from './secret-forms.ts'
import type { Injection } from './settings.ts'

/** A vendor's key, ready for use: only what is sent to the vendor ever holds it. */
export interface VendorKey {
  /** Puts the key where the vendor wants it, in place of whatever is there. */
  inject(outgoing: { readonly query: string; readonly headers: ReadonlyMap<string, string> }): {
    readonly query: string
    readonly headers: ReadonlyMap<string, string>
  }
  /** How an answer may repeat it. */
  readonly forms: readonly Buffer[]
}

export function vendorKey(secret: Secret, injection: Injection): VendorKey {
  const value = secret.reveal()
  if (injection.kind === 'query') {
    const pair = `${encodeURIComponent(injection.name)}=${encodeURIComponent(value)}`
    return {
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
    forms: formsOf(value),
    inject: ({ query, headers }) => ({ query, headers: new Map(headers).set(name, held) }),
  }
}

import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import { CountersignError } from '../errors.ts'
import { parseDuration } from './duration.ts'

/** A string that `parse` makes a value of; what it throws becomes the issue, with what to write instead. */
export function parsedBy<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue(error instanceof CountersignError ? describe(error) : 'not valid')
      return z.NEVER
    }
  })
}

function describe(error: CountersignError): string {
  return error.fix === undefined ? error.message : `${error.message} (${error.fix})`
}

/** `90s`, `15m`, `24h`, `7d`, or a number of seconds; in seconds. */
export const duration: z.ZodType<number, string | number> = z
  .union([z.string(), z.number()])
  .transform(String)
  .pipe(parsedBy(parseDuration))

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, the host of an IPv6 address in brackets. Throws `invalid` / `address`. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) {
    throw new CountersignError('invalid', 'not an address', {
      reason: 'address',
      fix: 'write it as host:port, for example 127.0.0.1:8081 or [::1]:8081',
    })
  }
  return { host, port }
}

/** The address as `parseHostPort` reads it. */
export function formatHostPort(address: HostPort): string {
  return address.host.includes(':')
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`
}

export const hostPort: z.ZodType<HostPort, string> = parsedBy(parseHostPort)

/**
 * A path; one that is not absolute counts from the folder that the process was started in. What looks like
 * a URI would silently name a folder such as `unix:`.
 */
export const path: z.ZodType<string, string> = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => !text.includes('\0'), 'not a path')
  .refine((text) => !/^[a-z]+:/.test(text), 'an address, not a path (write the path alone)')
  .transform((text) => (isAbsolute(text) ? text : resolve(text)))

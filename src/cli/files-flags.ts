import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Command } from 'commander'
import type { JwtFile } from '../files/file-set.ts'
import type { KeepOptions } from '../files/keep.ts'
import { Secret } from '../runtime/secret.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { usage } from './usage.ts'
import { formed } from './value-form.ts'
import { type SocketOptions, withSocketOption } from './workload.ts'

/** What the files are called unless told. */
export const fileNames = {
  key: 'key.pem',
  cert: 'cert.pem',
  bundle: 'bundle.pem',
  combined: 'combined.pem',
} as const

export interface IdentityOptions extends SocketOptions {
  readonly jwt?: readonly JwtFile[]
  readonly spiffeId?: string
  readonly hint?: string
}

/** The options of every verb that keeps files. */
export function withIdentityOptions(command: Command): Command {
  return withSocketOption(command)
    .option('--jwt <audience=name>', 'a JWT-SVID for this audience; may be repeated', parseJwtFile)
    .option('--spiffe-id <id>', 'this identity, where there are several', formed(SpiffeId.parse))
    .option('--hint <hint>', 'the identity with this hint')
}

/** Throws `invalid` / `spiffe-id-…`. */
export function choiceOf({ spiffeId, hint }: IdentityOptions): KeepOptions['choice'] {
  return {
    ...(spiffeId !== undefined && { spiffeId: SpiffeId.parse(spiffeId) }),
    ...(hint !== undefined && { hint }),
  }
}

/** 0o600 of `0600`; files of keys are for their owner, and at most for its group to read. Throws `invalid` / `usage`. */
export function parseMode(text: string): number {
  const mode = /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : 0
  if ((mode & 0o400) === 0 || (mode & ~0o640) !== 0) {
    throw usage(`${text} is no mode for files with a key`, 'use 0600, 0640, 0400 or 0440')
  }
  return mode
}

/** Of `audience=file`, added to those before. Throws `invalid` / `usage`. */
function parseJwtFile(text: string, before: readonly JwtFile[] = []): readonly JwtFile[] {
  const at = text.lastIndexOf('=')
  if (at < 1) throw usage(`${text} names no file`, 'write --jwt https://api.example.org=api.jwt')
  return [...before, { audience: text.slice(0, at), name: text.slice(at + 1) }]
}

/** `SIGHUP` of `HUP` or `SIGHUP`. Throws `invalid` / `usage`. */
export function parseSignal(text: string): NodeJS.Signals {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}`
  if (name in constants.signals) return name as NodeJS.Signals
  throw usage(`there is no signal ${text}`, 'write it as HUP or USR1')
}

/** The first line of a file. Throws `invalid` / `usage`. */
export function readPassword(path: string): Secret {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw usage(`cannot read ${path}`, 'name the file that holds the password', cause)
  }
  const [password = ''] = text.split(/\r?\n/, 1)
  if (password.length >= 6 && password.length <= 256) return new Secret(password)
  throw usage(`${path} holds no password`, 'Java wants one of at least 6 characters')
}

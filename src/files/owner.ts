import { readFileSync } from 'node:fs'
import { CountersignError } from '../errors.ts'

/**
 * The numbers of `user` or `user:group`, each a number or a name of `/etc/passwd` and `/etc/group`; a
 * user's own group where none is named. Throws `invalid` / `usage`.
 */
export function parseOwner(text: string): { readonly uid: number; readonly gid: number } {
  const [user = '', group] = text.split(':', 2)
  const account = entryOf('/etc/passwd', user)
  const uid = account === undefined ? numberOf(user) : numberOf(account[2] ?? '')
  const gid =
    group === undefined
      ? numberOf(account?.[3] ?? '')
      : numberOf(entryOf('/etc/group', group)?.[2] ?? group)
  if (uid === undefined || gid === undefined) {
    throw new CountersignError('invalid', `no such owner: ${text.slice(0, 80)}`, {
      reason: 'usage',
      fix: 'write user, user:group or 1000:1000; names are those of /etc/passwd and /etc/group',
    })
  }
  return { uid, gid }
}

/** `name:password:id:…`, by name or number. */
function entryOf(file: string, wanted: string): readonly string[] | undefined {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines
    .map((line) => line.split(':'))
    .find(([name, , id]) => name === wanted || id === wanted)
}

function numberOf(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

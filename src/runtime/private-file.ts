import { CountersignError } from '../errors.ts'

/** For a file that holds a secret. Throws `forbidden`, with this reason, where others than its owner may do anything with it. */
export function checkPrivateFile(
  path: string,
  { mode }: { readonly mode: number },
  reason: string,
): void {
  if ((mode & 0o077) === 0) return
  throw new CountersignError('forbidden', `${path} is open to other users`, {
    reason,
    fix: `chmod 600 ${path}`,
  })
}

import { CountersignError } from '../errors.ts'

/**
 * What is in the way of a listener, and what to do: `unavailable`, `listen-address-in-use` or `listen-failed`, or what the
 * door has `named` it.
 */
export function cannotListen(
  where: string,
  error: NodeJS.ErrnoException,
  named?: string,
): CountersignError {
  const isTaken = error.code === 'EADDRINUSE'
  return new CountersignError('unavailable', `cannot listen on ${where}`, {
    ...{ reason: isTaken ? 'listen-address-in-use' : 'listen-failed' },
    ...(named !== undefined && { reason: named }),
    fix: fixOf(error.code),
    cause: error,
  })
}

function fixOf(code: string | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'end the process that listens there, or choose another port'
    case 'EACCES':
      return 'choose a port that this user may listen on, such as one from 1024 on'
    case 'EADDRNOTAVAIL':
      return 'choose an address that this machine has'
    default:
      return 'choose an address and a port that this user may listen on'
  }
}

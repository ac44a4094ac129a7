import { CountersignError } from '../errors.ts'
import { sendUnixDatagrams } from './unix-datagram.ts'

/**
 * Tells the service manager that started us (sd_notify(3)), as `READY=1`; does nothing where there is
 * none. Throws `unavailable` / `notify-failed`.
 */
export function notifyServiceManager(
  state: string,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const path = env['NOTIFY_SOCKET']
  if (path === undefined || path === '') return
  try {
    if (sendUnixDatagrams(path, [Buffer.from(state)]) < 1) throw new Error('it does not read')
  } catch (cause) {
    throw new CountersignError('unavailable', 'cannot tell the service manager in NOTIFY_SOCKET', {
      reason: 'notify-failed',
      cause,
    })
  }
}

import type { Selector } from '../../src/entry/entry.ts'
import { sortSelectors } from '../../src/entry/selector.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { type AccountNames, accountNames } from './account-names.ts'
import type { PeerProcess, WorkloadAttestor } from './attestor.ts'

export interface UnixAttestorOptions {
  readonly passwdPath?: string
  readonly groupPath?: string
  readonly clock?: Clock
}

const maxRemembered = 1024

/**
 * `unix:uid:`, `unix:user:`, `unix:gid:`, `unix:group:`, `unix:supplementary_gid:` and
 * `unix:supplementary_group:`. A number without a name gets no selector with a name.
 */
export function unixAttestor(options: UnixAttestorOptions = {}): WorkloadAttestor {
  const clock = options.clock ?? systemClock
  const users = accountNames(options.passwdPath ?? '/etc/passwd', clock)
  const groups = accountNames(options.groupPath ?? '/etc/group', clock)
  // The same rights give the same array, so that those who compare it can do so at a glance.
  const remembered = new Map<string, readonly Selector[]>()
  let versions = ''
  return {
    type: 'unix',
    attest(process) {
      users.refresh()
      groups.refresh()
      const now = `${users.version} ${groups.version}`
      if (now !== versions) {
        remembered.clear()
        versions = now
      }
      const key = `${process.uid} ${process.gid} ${process.supplementaryGids.join()}`
      let selectors = remembered.get(key)
      if (selectors === undefined) {
        selectors = sortSelectors(selectorsOf(process, users, groups))
        if (remembered.size >= maxRemembered) remembered.clear()
        remembered.set(key, selectors)
      }
      return selectors
    },
  }
}

function selectorsOf(
  process: PeerProcess,
  users: AccountNames,
  groups: AccountNames,
): readonly Selector[] {
  const selectors: Selector[] = []
  const add = (word: string, value: string | number | undefined): void => {
    if (value !== undefined) selectors.push({ type: 'unix', value: `${word}:${value}` })
  }
  add('uid', process.uid)
  add('user', users.nameOf(process.uid))
  add('gid', process.gid)
  add('group', groups.nameOf(process.gid))
  for (const gid of process.supplementaryGids) {
    add('supplementary_gid', gid)
    add('supplementary_group', groups.nameOf(gid))
  }
  return selectors
}

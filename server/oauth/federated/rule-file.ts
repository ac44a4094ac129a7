import { hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { CountersignError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { parseConfig } from '../../../src/runtime/config-file.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { checkFiles, readBounded } from './reach.ts'
import {
  type FederatedFile,
  type FederatedIssuer,
  federatedSchema,
  type OwnIssuer,
  readFederated,
} from './settings.ts'

/** What is in the file: the same list as in the configuration, under the same name. */
export const ruleFileSchema: z.ZodType<{ readonly federation: readonly FederatedFile[] }> =
  z.strictObject({ federation: federatedSchema })

export interface RuleFileDeps {
  readonly own: OwnIssuer
  /** Puts these in force. */
  readonly use: (issuers: ReadonlyMap<string, FederatedIssuer>) => void
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

export interface RuleFile {
  /** One look at the file; `run` does it each second. */
  look(): Promise<void>
  run(signal: AbortSignal): Promise<void>
}

const lookMs = 1000

/**
 * Puts the issuers and rules of a file in force, and on record. Later changes of it come into force once it has been the
 * same for two looks; what is unsound is refused, and what was in force stays. What cannot be put in force for a reason
 * outside the file is tried again at each look. At first it throws: as `readBounded`,
 * `parseConfig`, `readFederated` and `checkFiles`, `forbidden` `federated-file-mode`, and what `append` throws.
 */
export async function openRuleFile(path: string, deps: RuleFileDeps): Promise<RuleFile> {
  const { own, use, append, clock, log } = deps
  let inForce = ''
  /** On record as refused since what is in force was last seen. */
  let refused = ''
  let unsound = ''
  let seen = ''
  const putInForce = async (text: string, sha256: string): Promise<void> => {
    const issuers = readSoundly(text, sha256)
    await checkFiles(issuers)
    const rules = [...issuers.values()].reduce((sum, issuer) => sum + issuer.rules.length, 0)
    const counts = { issuers: issuers.size, rules }
    await append([event('issuers.loaded', { ...counts, sha256 })])
    use(issuers)
    inForce = sha256
    log.info('issuers and their rules are in force', { path, ...counts, sha256 })
  }
  const readSoundly = (text: string, sha256: string): ReturnType<typeof readFederated> => {
    unsound = sha256
    const issuers = readFederated(parseConfig(text, path, ruleFileSchema).federation, own)
    unsound = ''
    return issuers
  }
  const event = (
    kind: 'issuers.loaded' | 'issuers.refused',
    details: Record<string, string | number>,
    reason?: string,
  ): AuditEvent => ({
    ...{ kind, time: clock.now(), actor: { kind: 'server' }, reason, details },
    decision: kind === 'issuers.loaded' ? 'allow' : 'deny',
  })
  const refuse = async (sha256: string, error: unknown): Promise<void> => {
    log.error('the issuers and rules are kept as they were: the new ones cannot be used', {
      ...{ path, error },
    })
    const reason = error instanceof CountersignError ? error.reason : 'internal'
    await append([event('issuers.refused', { sha256, inForce }, reason)])
    refused = sha256
  }
  const look = async (): Promise<void> => {
    let text: string
    try {
      text = await readRules(path)
    } catch (error) {
      if (seen !== 'unreadable') await refuse('unreadable', error)
      seen = 'unreadable'
      return
    }
    const sha256 = hash('sha256', text)
    // Half of what somebody is writing just now may be a file too.
    const settled = sha256 === seen
    seen = sha256
    if (sha256 === inForce) refused = ''
    const isKnownUnsound = sha256 === unsound && sha256 === refused
    if (!settled || sha256 === inForce || isKnownUnsound) return
    try {
      await putInForce(text, sha256)
      refused = ''
    } catch (error) {
      if (sha256 !== refused) await refuse(sha256, error)
    }
  }
  const first = await readRules(path)
  await putInForce(first, hash('sha256', first))
  return {
    look,
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(lookMs, signal)
        await look().catch((error: unknown) =>
          log.error('the issuers and rules were not looked at', { path, error }),
        )
      }
    },
  }
}

function readRules(path: string): Promise<string> {
  return readBounded(path, async (file: FileHandle) => refuseLooseFile(path, await file.stat()))
}

/** Whoever may write the file says who gets tokens. Throws `forbidden` `federated-file-mode`. */
export function refuseLooseFile(path: string, { mode }: { readonly mode: number }): void {
  if ((mode & 0o002) === 0) return
  throw new CountersignError('forbidden', `everybody may write ${path}`, {
    reason: 'federated-file-mode',
    fix: `chmod o-w ${path}`,
  })
}

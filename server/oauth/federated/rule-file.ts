import { z } from 'zod'
import { parseConfig } from '../../../src/runtime/config-file.ts'
import { type FollowedDeps, type FollowedFile, openFollowedFile } from '../followed-file.ts'
import { checkFiles } from './reach.ts'
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

type Issuers = ReadonlyMap<string, FederatedIssuer>

export interface RuleFileDeps
  extends Pick<FollowedDeps<Issuers>, 'use' | 'append' | 'clock' | 'log'> {
  readonly own: OwnIssuer
}

/**
 * Puts the issuers and rules of a file in force, and follows it. Throws as `openFollowedFile`, `parseConfig`,
 * `readFederated` and `checkFiles`.
 */
export function openRuleFile(path: string, { own, ...deps }: RuleFileDeps): Promise<FollowedFile> {
  return openFollowedFile(path, {
    ...deps,
    what: 'issuers and their rules',
    recordedAs: { loaded: 'issuers.loaded', refused: 'issuers.refused' },
    read: (text) => readFederated(parseConfig(text, path, ruleFileSchema).federation, own),
    check: checkFiles,
    count: (issuers) => ({
      issuers: issuers.size,
      rules: [...issuers.values()].reduce((sum, { rules }) => sum + rules.length, 0),
    }),
  })
}

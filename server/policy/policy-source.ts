import { type PolicyFolder, readPolicyFolder } from '../../src/policy/policy-folder.ts'

/** Where policies come from. */
export interface PolicySource {
  /** For logs. */
  readonly name: string
  read(): Promise<PolicyFolder>
  /** What is read is what somebody has put in force as a whole, after it was checked. */
  readonly isWhole: boolean
}

/** Throws as `readPolicyFolder` where it is read. */
export function folderSource(folder: string): PolicySource {
  return { name: folder, isWhole: false, read: () => readPolicyFolder(folder) }
}

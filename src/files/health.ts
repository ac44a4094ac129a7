import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CountersignError } from '../errors.ts'
import type { VersionedFolder } from './folder.ts'

const fileName = '.health.json'
const maxBytes = 16_384
const maxProblem = 1000

/** How it is with the files of a folder, as the one who writes them says. Instants are ISO 8601. */
export interface FilesHealth {
  readonly spiffeId: string
  readonly writtenAt: string
  readonly expiresAt: string
  /** Why there are no newer files; those that are there stay. */
  readonly problem: string | null
  /** Null where nobody is told, or nobody had to be yet. */
  readonly onRenew: { readonly at: string; readonly problem: string | null } | null
}

const instant = z.iso.datetime()
const problem = z.string().max(maxProblem).nullable()

const schema: z.ZodType<FilesHealth> = z.strictObject({
  spiffeId: z.string().max(2048),
  writtenAt: instant,
  expiresAt: instant,
  problem,
  onRenew: z.strictObject({ at: instant, problem }).nullable(),
})

/** What a problem is called there. */
export function problemText(problem: CountersignError): string {
  return problem.message.slice(0, maxProblem)
}

/** What is known, kept in the folder from the first set of files on. */
export class HealthRecord {
  readonly #folder: VersionedFolder
  #known: Partial<FilesHealth> = { problem: null, onRenew: null }
  #saved: Promise<void> = Promise.resolve()

  constructor(folder: VersionedFolder) {
    this.#folder = folder
  }

  /** Throws what the folder does. */
  async note(news: Partial<FilesHealth>): Promise<void> {
    this.#known = { ...this.#known, ...news }
    if (this.#known.spiffeId === undefined) return
    // One after the other; a failure of the one before is its caller's.
    const text = `${JSON.stringify(this.#known)}\n`
    this.#saved = this.#saved.catch(() => {}).then(() => this.#folder.put(fileName, text))
    await this.#saved
  }
}

/** Throws `not-found` / `files-no-health`, `invalid` / `files-health-malformed`. */
export async function readHealth(dir: string): Promise<FilesHealth> {
  const path = join(dir, fileName)
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((cause) => {
    throw new CountersignError('not-found', `nothing is known of the files in ${dir}`, {
      reason: 'files-no-health',
      fix: `run "countersign files --dir ${dir}", and look at what it says`,
      cause,
    })
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0)
    return schema.parse(JSON.parse(buffer.toString('utf8', 0, bytesRead)))
  } catch (cause) {
    throw new CountersignError('invalid', `${path} is not what we write`, {
      reason: 'files-health-malformed',
      cause,
    })
  } finally {
    await file.close()
  }
}

/** What an operator has to look at; empty where all is well. */
export function problemsOf(health: FilesHealth, now: Date): readonly string[] {
  const problems = new Date(health.expiresAt) <= now ? ['the files have expired'] : []
  return [...problems, health.problem, health.onRenew?.problem].filter(
    (one): one is string => typeof one === 'string',
  )
}

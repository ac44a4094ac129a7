import type { CountersignError } from '../errors.ts'
import { JwtSource } from '../workload-api/jwt-source.ts'
import { X509Source } from '../workload-api/x509-source.ts'
import type { FileNames } from './file-set.ts'
import type { Sources } from './keep.ts'

/**
 * What the files are made of, from one agent; it keeps the process alive. Waits for the first update,
 * and throws what the sources do.
 */
export async function openSources(options: {
  readonly endpoint: string
  readonly names: FileNames
  readonly signal: AbortSignal
  readonly onProblem: (error: CountersignError) => void
}): Promise<Sources & { close(): Promise<void> }> {
  const { endpoint, names, signal, onProblem } = options
  const how = { endpoint, signal, onError: onProblem, keepAlive: true }
  const x509 = await X509Source.open(how)
  try {
    const jwt = names.jwts.length === 0 ? undefined : await JwtSource.open(how)
    return {
      x509,
      jwt,
      async close() {
        await jwt?.close()
        await x509.close()
      },
    }
  } catch (error) {
    await x509.close()
    throw error
  }
}

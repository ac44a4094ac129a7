import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { keepFiles } from '../../src/files/keep.ts'
import { every, systemClock } from '../../src/runtime/clock.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { startApi, web } from '../support/fake-api.ts'
import { names, openFolder, temporaryFolder } from '../unit/files/fixture.ts'
import { LONG, scale } from './scale.ts'

const reader = fileURLToPath(new URL('read-pairs.ts', import.meta.url))

test('T16 a reader in a loop sees no key with another’s certificate, while SVIDs change 20 times a second', {
  timeout: LONG,
}, async () => {
  const api = await startApi()
  await api.grant(web)
  const x509 = await X509Source.open({ endpoint: api.endpoint })
  onTestFinished(() => x509.close())
  const path = temporaryFolder()
  const folder = await openFolder(path)
  const stopping = new AbortController()
  const first = Promise.withResolvers<void>()
  let written = 0
  const keeping = keepFiles(
    {
      ...{ x509, names, folder, choice: {}, clock: systemClock },
      onFiles: () => {
        written += 1
        first.resolve()
      },
      onProblem: (error) => first.reject(error),
    },
    stopping.signal,
  )
  await first.promise
  const stop = every(50, () => void api.rotate())
  // On a busy machine the reader may have had all its turns before the writer has had any.
  const wanted = [scale(100_000, 1_000_000), scale(11, 101)].map(String)
  const { stdout } = await promisify(execFile)(process.execPath, [reader, path, ...wanted], {
    timeout: LONG,
  })
  stop()
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await keeping
  const { mixed, versions } = JSON.parse(stdout) as { mixed: number; versions: number }
  expect(mixed).toBe(0)
  expect(written).toBeGreaterThanOrEqual(versions)
})

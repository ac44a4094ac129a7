import { globSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

/** Tests that count what the machine does: they have it to themselves, after all others. */
const alone = [
  'test/strangers/load.test.ts',
  'test/strangers/processes.test.ts',
  'test/unit/agent/workload-endpoint/peer-identity.test.ts',
]

/** Tests that wait for the clock on the wall most of the time: they do so side by side, when no other is at work. */
const waiting = [
  'test/fault/agent.test.ts',
  'test/flow/rotation.test.ts',
  'test/flow/two-trust-domains.test.ts',
  'test/unit/rpc/dial-restart.test.ts',
  'test/unit/server/documents/serve-documents.test.ts',
]

/** What changes or measures a whole process, so that a test which does it has one of its own. */
const ofTheProcess =
  /\bvi\.(mock|spyOn|stub)|\bprocess\.(chdir|cpuUsage|memoryUsage|on|umask)\(|\bprocess\.env\[.+\] = |\/proc\/self\/(fd|io)\b|useDatabases\(/

/** All others of these folders share three processes: most of such a test's time is the start of one, and its imports. */
const shared = globSync('test/{architecture,flow,spec,unit}/**/*.test.ts', {
  cwd: import.meta.dirname,
}).filter(
  (file) =>
    ![...alone, ...waiting].includes(file) &&
    !ofTheProcess.test(readFileSync(new URL(file, import.meta.url), 'utf8')),
)

// A file that a test makes for others to read is one, whoever runs the tests.
process.umask(0o022)

export default defineConfig({
  test: {
    // Of two addresses of localhost Node gives the first 250 ms; a busy machine may not have given Node a turn by then.
    execArgv: ['--network-family-autoselection-attempt-timeout=10000'],
    // What hangs is found by these all the same; a busy machine takes twenty times what a test needs.
    testTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    hookTimeout: 180_000,
    pool: 'forks',
    // One more than the smallest machine has cores: each waits now and then, for a process or a timer.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: { name: 'shared', include: shared, isolate: false, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'apart',
          include: ['test/**/*.test.ts'],
          exclude: [...shared, ...waiting, ...alone],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'waiting', include: waiting, maxWorkers: 4, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 3 } },
      },
    ],
  },
})

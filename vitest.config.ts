import { defineConfig } from 'vitest/config'

/** Tests in which the clock on the wall counts: they have the machine to themselves, after the others. */
const alone = [
  'test/fault/agent.test.ts',
  'test/flow/rotation.test.ts',
  'test/strangers/load.test.ts',
  'test/strangers/processes.test.ts',
  'test/unit/agent/workload-endpoint/peer-identity.test.ts',
]

export default defineConfig({
  test: {
    // What hangs is found by these all the same; a busy machine takes several times what a test needs.
    testTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
})

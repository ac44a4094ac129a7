import { expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { unary } from '../../../src/rpc/handler.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { runHere } from '../../support/command.ts'
import { serve } from '../rpc/harness.ts'

const health = serviceDefinition('grpc.health.v1.Health')

test.for([
  ['unavailable', 0, 2],
  ['deadline', 0, 2],
  ['forbidden', 77, 1],
] as const)(
  'health --wait goes on where the server is away or too busy to answer, and not where it refuses: %s',
  async ([code, ends, asked]) => {
    const { server, path } = await serve()
    let calls = 0
    server.addService(health, {
      Check: unary(() => {
        calls += 1
        if (calls === 1) throw new CountersignError(code, 'not now', { reason: 'not-now' })
        return { status: 'SERVING' } as const
      }),
    })
    const ended = await runHere(['server', 'health', '--wait', '--admin-socket', path])
    expect([ended.code, calls]).toEqual([ends, asked])
  },
)

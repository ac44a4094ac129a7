import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { Io } from './io.ts'
import { readTextFile } from './item-status.ts'
import { printJson } from './output.ts'
import { type WorkloadOptions, withWorkloadApi, withWorkloadOptions } from './workload.ts'

const timeoutMs = 10_000

/** `countersign validate jwt` */
export function validateJwt(io: Io): Command {
  return withWorkloadOptions(
    new Command('jwt')
      .description('let the agent validate a JWT-SVID')
      .requiredOption('--audience <name>', 'who the token must be for')
      .requiredOption('--token-file <path>', 'the file that holds it, - for standard input'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  countersign validate jwt --audience https://api.example.org --token-file -',
    )
    .action(async (options: WorkloadOptions & { audience: string; tokenFile: string }) => {
      const token = (await readTextFile(options.tokenFile, 'usage')).trim()
      await withWorkloadApi(io, options, async (api) => {
        const answer = await api.rpc
          .unary(
            'ValidateJWTSVID',
            { audience: options.audience, svid: token },
            { metadata: api.metadata, timeoutMs },
          )
          .catch((error: unknown) => {
            throw withAdvice(error)
          })
        const { spiffe_id: spiffeId } = answer
        if (options.output === 'table') return io.write(`valid: ${spiffeId}\n`)
        const { fromStruct } = await import('../rpc/struct.ts')
        const claims = answer.claims === null ? {} : fromStruct(answer.claims)
        printJson(io, { spiffeId, claims })
      })
    })
}

/** What is wrong with a token is no fault of this command: what to do about it is for its user to hear. */
function withAdvice(error: unknown): unknown {
  if (!(error instanceof CountersignError && error.reason.startsWith('token-'))) return error
  const { code, message, reason } = error
  const fix =
    reason === 'token-audience'
      ? 'let --audience say whom the token is for, by its exact name; or refuse it'
      : 'refuse it; its workload gets a good one with: countersign fetch jwt --audience NAME'
  return new CountersignError(code, message, { reason, fix, cause: error })
}

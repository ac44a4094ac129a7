import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import { systemClock } from '../runtime/clock.ts'
import { outputOption } from './admin.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printJson } from './output.ts'
import { usage } from './usage.ts'
import { formed, httpsUrl } from './value-form.ts'

interface TokenOptions {
  readonly issuer: string
  readonly tokenEndpoint?: string
  readonly resource: string
  readonly scope: readonly string[]
  readonly tokenFile?: string
  readonly ca?: string
  readonly output: OutputFormat
}

/** `countersign fetch token` */
export function fetchToken(io: Io): Command {
  return new Command('token')
    .description('exchange the token of this CI job or pod for an access token')
    .requiredOption(
      '--issuer <url>',
      'the authorization server, as it names itself',
      formed(httpsUrl),
    )
    .option(
      '--token-endpoint <url>',
      'where it is asked; ISSUER/oauth/token unless told',
      formed(httpsUrl),
    )
    .requiredOption('--resource <id>', 'who the access token is for')
    .requiredOption('--scope <name...>', 'what is to be done there')
    .option('--token-file <path>', "the job's or pod's token, - for standard input")
    .option('--ca <path>', 'PEM file: CAs to believe the server by')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
A GitHub job needs "permissions: id-token: write", a GitLab job "id_tokens:
COUNTERSIGN_ID_TOKEN"; a pod names the file of its volume with --token-file.

Example:
  countersign fetch token --issuer https://as.example.org \\
    --resource https://orders.example.org --scope orders:read > access.jwt`,
    )
    .action(async (options: TokenOptions) => {
      const { issuer, resource, scope, tokenEndpoint = `${issuer}/oauth/token` } = options
      const { jobToken } = await import('./job-token.ts')
      const subjectToken = await jobToken(options.tokenFile, issuer, io.env, io.signal)
      const { issuerHttps } = await import('../oauth-client/issuer-https.ts')
      const { readTokenAnswer } = await import('../oauth-client/issuer-answer.ts')
      const server = issuerHttps(undefined, casOf(options.ca), systemClock)
      try {
        const answer = await server.post(tokenEndpoint, {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          subject_token: subjectToken,
          resource,
          scope: scope.join(' '),
        })
        const { token, expiresInSeconds } = readTokenAnswer(answer)
        if (options.output === 'json') printJson(io, { token, expiresInSeconds })
        else io.write(`${token}\n`)
      } catch (error) {
        throw isUnavailable(error) ? notAsked(tokenEndpoint, error) : error
      } finally {
        server.close()
      }
    })
}

function isUnavailable(error: unknown): error is CountersignError {
  return error instanceof CountersignError && error.reason === 'issuer-unavailable'
}

/** Whoever types this can do something about a name or a CA that is wrong. */
function notAsked(url: string, error: CountersignError): CountersignError {
  const { code } = (error.cause ?? {}) as { readonly code?: unknown }
  const why = typeof code === 'string' ? `: ${url} ${code}` : ''
  return new CountersignError('unavailable', `${error.message}${why}`, {
    reason: error.reason,
    fix: 'see that it can be reached from here; where Node does not know its CA, name that with --ca',
    cause: error,
    retryAfterMs: error.retryAfterMs,
  })
}

/** Throws `invalid` / `usage`. */
function casOf(path: string | undefined): readonly string[] | undefined {
  if (path === undefined) return undefined
  try {
    return [readFileSync(path, 'utf8')]
  } catch (cause) {
    throw usage(`cannot read ${path}`, 'let --ca name a PEM file that this process may read', cause)
  }
}

import { Command } from 'commander'
import { runTogether } from '../runtime/tasks.ts'
import type { Io } from './io.ts'
import { launchAgent, launchServer, loadAgent, loadServer, warningsAbout } from './launch.ts'

interface RunOptions extends Readonly<Record<string, string | boolean | undefined>> {
  readonly config?: string
  readonly checkConfig?: boolean
}

/** Each setting that has a flag, with what stands behind it in `--help`. */
const serverFlags = {
  'trust-domain': ['<name>', 'name of the trust domain'],
  'data-dir': ['<path>', 'store, keys and audit trail'],
  'bind-address': ['<host:port>', 'gRPC over TLS for agents'],
  'admin-socket': ['<path>', `the operators' socket`],
  'http-address': ['<host:port>', 'health and metrics; false: none'],
  'log-level': ['<level>', 'error, warn, info or debug'],
} as const

const agentFlags = {
  'trust-domain': ['<name>', 'name of the trust domain'],
  'server-address': ['<host:port>', 'where the server listens'],
  'data-dir': ['<path>', `the agent's own key and SVID`],
  socket: ['<path>', `the Workload API's socket`],
  'join-token-file': ['<path>', 'the join token; - is standard input'],
  'trust-ca-sha256': ['<hash>', 'hash of the CA key, from "token create"'],
  'trust-bundle': ['<path>', 'or: a file with the bundle'],
  'http-address': ['<host:port>', 'health and metrics; false: none'],
  'log-level': ['<level>', 'error, warn, info or debug'],
} as const

/** `countersign server run` */
export function serverRun(io: Io): Command {
  return withFlags(new Command('run').description('run a server'), serverFlags)
    .addHelpText(
      'after',
      '\nExample:\n  countersign server run --trust-domain example.org --data-dir /var/lib/countersign/server',
    )
    .action(async (options: RunOptions) => {
      const config = await loadServer(saidBy(io, options, serverFlags))
      if (options.checkConfig === true) {
        for (const warning of await warningsAbout(config)) io.note(`warning: ${warning}`)
        io.write('the configuration is good\n')
      } else await stay(io.signal, (until) => launchServer(config, until))
    })
}

/** `countersign agent run` */
export function agentRun(io: Io): Command {
  return withFlags(new Command('run').description('run an agent'), agentFlags)
    .option('--insecure-bootstrap', 'or: believe whoever answers the first time')
    .addHelpText(
      'after',
      `
Example:
  countersign agent run --trust-domain example.org --server-address server.example.org:8081 \\
    --join-token-file token.txt --trust-ca-sha256 HASH --data-dir /var/lib/countersign/agent \\
    --socket /run/countersign-agent/api.sock`,
    )
    .action(async (options: RunOptions) => {
      const said = saidBy(io, options, agentFlags)
      const flags =
        options['insecureBootstrap'] === true
          ? { ...said.flags, insecure_bootstrap: 'true' }
          : said.flags
      const config = await loadAgent({ ...said, flags })
      if (options.checkConfig === true) io.write('the configuration is good\n')
      else await stay(io.signal, (until) => launchAgent(config, until))
    })
}

async function stay(signal: AbortSignal, run: (until: AbortSignal) => Promise<void>) {
  const { keepProcessSmall } = await import('./process-memory.ts')
  await runTogether(signal, run, keepProcessSmall)
}

type Flags = Readonly<Record<string, readonly [string, string]>>

function withFlags(command: Command, flags: Flags): Command {
  command
    .option('--config <path>', 'a YAML or JSON file')
    .option('--check-config', 'read and check the configuration, and exit')
  for (const [name, [value, text]] of Object.entries(flags)) {
    command.option(`--${name} ${value}`, text)
  }
  return command
}

function saidBy(io: Io, options: RunOptions, flags: Flags) {
  const said: Record<string, string | undefined> = {}
  for (const name of Object.keys(flags)) {
    const camel = name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    const value = options[camel]
    if (typeof value === 'string') said[name.replaceAll('-', '_')] = value
  }
  return { flags: said, env: io.env, file: options.config }
}

import { existsSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { Io } from './io.ts'
import { formed } from './value-form.ts'

interface Options {
  readonly trustDomain: string
  readonly out: string
  readonly agent?: string
}

/** `countersign server init` */
export function serverInit(io: Io): Command {
  return new Command('init')
    .description('write a commented server.yaml')
    .requiredOption('--trust-domain <name>', 'name of the trust domain', formed(TrustDomain.parse))
    .option('--out <path>', 'where to', 'server.yaml')
    .option('--agent <path>', 'write an agent.yaml too')
    .addHelpText(
      'after',
      '\nExample:\n  countersign server init --trust-domain example.org --agent agent.yaml',
    )
    .action((options: Options) => {
      const name = TrustDomain.parse(options.trustDomain)
      const files = [{ path: options.out, text: serverYaml(name) }]
      if (options.agent !== undefined) files.push({ path: options.agent, text: agentYaml(name) })
      // Both or none: half of it would stand in the way of the next try.
      for (const { path } of files) if (existsSync(path)) throw existsAlready(path)
      for (const { path, text } of files) write(io, path, text)
      io.note(`next: countersign server run --config ${options.out}`)
    })
}

function write(io: Io, path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o644 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw existsAlready(path)
    throw new CountersignError('unavailable', `cannot write ${path}`, {
      reason: 'file-unwritable',
      fix: 'name another place with --out or --agent',
      cause,
    })
  }
  io.write(`${path}\n`)
}

function existsAlready(path: string): CountersignError {
  return new CountersignError('exists', `${path} exists already`, {
    reason: 'file-exists',
    fix: 'move it away, or name another place with --out or --agent',
  })
}

function serverYaml(name: TrustDomain): string {
  return `# Countersign server. Unknown keys are refused; check with:
#   countersign server run --config server.yaml --check-config
trust_domain: ${name}
data_dir: /var/lib/countersign/server

# Agents connect here, over TLS.
bind_address: 0.0.0.0:8081

# Operators connect here: whoever may open it may do everything. Mode 0600.
admin_socket: /run/countersign/admin.sock

# GET /live /ready /metrics; false: none.
http_address: 127.0.0.1:8082

log_level: info

# Lifetimes: 90s, 15m, 24h, 7d.
x509_svid_ttl: 1h
jwt_svid_ttl: 5m
agent_ttl: 24h
ca:
  ttl: 24h
  key_type: ec-p256
  jwt_key_type: ec-p256
`
}

function agentYaml(name: TrustDomain): string {
  return `# Countersign agent. Unknown keys are refused; check with:
#   countersign agent run --config agent.yaml --check-config
trust_domain: ${name}
data_dir: /var/lib/countersign/agent
server_address: server.example:8081

# Workloads connect here; at most 102 bytes.
socket: /run/countersign-agent/api.sock

# What "countersign token create" prints on the server: the token goes into the file.
join_token_file: /etc/countersign/token
# trust_ca_sha256: <hash>

log_level: info
`
}

import { Command } from 'commander'
import { agentBan, agentEvict, agentList, agentShow } from './agent-fleet.ts'
import { auditVerify } from './audit-verify.ts'
import { bundleList, bundleShow } from './bundle.ts'
import { clockAccept } from './clock-accept.ts'
import { completion } from './completion.ts'
import { dev } from './dev.ts'
import { entryCreate } from './entry-create.ts'
import { entryDelete } from './entry-delete.ts'
import { entryCount, entryList, entryShow } from './entry-list.ts'
import { entryUpdate } from './entry-update.ts'
import { fetchBundles, fetchJwt, fetchX509, validateJwt, watch } from './fetch.ts'
import { agentHealth, serverHealth } from './health.ts'
import type { Io } from './io.ts'
import { serverInit } from './server-init.ts'
import { agentRun, serverRun } from './server-run.ts'
import { mintJwt, mintX509 } from './svid-mint.ts'
import { tokenCreate } from './token-create.ts'

/** Every verb of the command. What is heavy is loaded when a verb runs. */
export function createProgram(io: Io, version: string): Command {
  const program = new Command('countersign')
    .description('workload identity: short-lived SVIDs instead of API keys')
    .version(version)
    .addHelpText(
      'after',
      `
Example:
  countersign dev                 a server and an agent on this machine
  countersign fetch x509          the identity of this process

Exit codes: 0 done, 1 failed, 64 usage, 69 unavailable, 75 try again, 77 denied, 78 config,
130 interrupted.`,
    )
  program.addCommand(dev(io))
  program.addCommand(
    group('server', 'run and look after a server')
      .addCommand(serverRun(io))
      .addCommand(serverInit(io))
      .addCommand(serverHealth(io))
      .addCommand(group('clock', `the server's clock`).addCommand(clockAccept(io))),
  )
  program.addCommand(
    group('agent', 'run an agent, or look after those of a server')
      .addCommand(agentRun(io))
      .addCommand(agentHealth(io))
      .addCommand(agentList(io))
      .addCommand(agentShow(io))
      .addCommand(agentBan(io))
      .addCommand(agentEvict(io)),
  )
  program.addCommand(group('token', 'let a node join').addCommand(tokenCreate(io)))
  program.addCommand(
    group('entry', 'register workloads')
      .addCommand(entryCreate(io))
      .addCommand(entryUpdate(io))
      .addCommand(entryDelete(io))
      .addCommand(entryShow(io))
      .addCommand(entryList(io))
      .addCommand(entryCount(io)),
  )
  program.addCommand(
    group('bundle', 'trust bundles').addCommand(bundleShow(io)).addCommand(bundleList(io)),
  )
  program.addCommand(group('audit', 'what was issued and changed').addCommand(auditVerify(io)))
  program.addCommand(
    group('svid', 'sign without an entry').addCommand(
      group('mint', 'for an ID of your choice').addCommand(mintX509(io)).addCommand(mintJwt(io)),
    ),
  )
  program.addCommand(
    group('fetch', 'what this process may have')
      .addCommand(fetchX509(io))
      .addCommand(fetchJwt(io))
      .addCommand(fetchBundles(io)),
  )
  program.addCommand(watch(io))
  program.addCommand(group('validate', 'check what others show').addCommand(validateJwt(io)))
  program.addCommand(completion(io, () => program))
  for (const command of all(program)) {
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({
        writeOut: (text) => io.write(text),
        writeErr: (text) => io.note(text.trimEnd()),
      })
  }
  return program
}

function group(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addHelpText(
      'after',
      `\nExample:\n  countersign ${name === 'mint' ? 'svid mint' : name === 'clock' ? 'server clock' : name} --help`,
    )
}

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)]
}

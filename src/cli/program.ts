import { Command } from 'commander'
import { agentBan, agentEvict, agentList, agentShow } from './agent-fleet.ts'
import { agentInfo } from './agent-info.ts'
import { auditExport } from './audit-export.ts'
import { auditSearch } from './audit-search.ts'
import { auditVerify } from './audit-verify.ts'
import {
  type AuthorityKind,
  authorityActivate,
  authorityPrepare,
  authorityRevoke,
  authorityShow,
  authorityTaint,
} from './authority.ts'
import { brokerReport, brokerRun, brokerSeal } from './broker.ts'
import { bundleList, bundleShow } from './bundle.ts'
import { bundleDelete, bundleSet } from './bundle-set.ts'
import { clockAccept } from './clock-accept.ts'
import { completion } from './completion.ts'
import { dev } from './dev.ts'
import { entryCreate } from './entry-create.ts'
import { entryDelete } from './entry-delete.ts'
import { entryDisable, entryEnable } from './entry-disable.ts'
import { entryCount, entryList, entryShow } from './entry-list.ts'
import { entryUpdate } from './entry-update.ts'
import { exec } from './exec.ts'
import {
  federationCreate,
  federationDelete,
  federationList,
  federationRefresh,
  federationShow,
  federationUpdate,
} from './federation.ts'
import { fetchBundles, fetchJwt, fetchX509, watch } from './fetch.ts'
import { fetchToken } from './fetch-token.ts'
import { files } from './files.ts'
import { forwardAuth } from './forward-auth.ts'
import { grantList, grantTokens } from './grant.ts'
import { agentHealth, serverHealth } from './health.ts'
import { importEntries } from './import.ts'
import type { Io } from './io.ts'
import { legacyAdd, legacyList, legacyRemove } from './legacy.ts'
import { agentLogger, serverLogger } from './logger.ts'
import { policyCheck } from './policy-check.ts'
import { policyExplain } from './policy-explain.ts'
import { policyApply, policyHistory, policyShow } from './policy-store.ts'
import { policyTest } from './policy-test.ts'
import { reportVerb } from './report.ts'
import { offboard, revokeVerbs } from './revoke.ts'
import { serverInit } from './server-init.ts'
import { agentRun, serverRun } from './server-run.ts'
import { mintJwt, mintX509 } from './svid-mint.ts'
import { tokenCreate } from './token-create.ts'
import { validateJwt } from './validate-jwt.ts'
import { sayWhichValue } from './value-form.ts'

const mintExample = 'svid mint jwt --spiffe-id spiffe://example.org/legacy --audience api'

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
    group('server', 'run and look after a server', 'server run --config server.yaml')
      .addCommand(serverRun(io))
      .addCommand(serverInit(io))
      .addCommand(serverHealth(io))
      .addCommand(
        group('clock', `the server's clock`, 'server clock accept').addCommand(clockAccept(io)),
      ),
  )
  program.addCommand(
    group('agent', 'run an agent, or look after those of a server', 'agent list')
      .addCommand(agentRun(io))
      .addCommand(agentHealth(io))
      .addCommand(agentInfo(io))
      .addCommand(agentList(io))
      .addCommand(agentShow(io))
      .addCommand(agentBan(io))
      .addCommand(agentEvict(io))
      .addCommand(
        withVerbs(
          group('logger', 'what the agent logs', 'agent logger set --level debug'),
          agentLogger(io),
        ),
      ),
  )
  program.addCommand(
    group(
      'broker',
      'call vendors with keys that no workload holds',
      'broker run --config broker.yaml',
    )
      .addCommand(brokerRun(io))
      .addCommand(brokerReport(io))
      .addCommand(brokerSeal(io)),
  )
  program.addCommand(forwardAuth(io))
  program.addCommand(group('token', 'let a node join', 'token create').addCommand(tokenCreate(io)))
  program.addCommand(
    group('entry', 'register workloads', 'entry list --owner web-team')
      .addCommand(entryCreate(io))
      .addCommand(entryUpdate(io))
      .addCommand(entryDisable(io))
      .addCommand(entryEnable(io))
      .addCommand(entryDelete(io))
      .addCommand(entryShow(io))
      .addCommand(entryList(io))
      .addCommand(entryCount(io)),
  )
  program.addCommand(
    group('bundle', 'trust bundles', 'bundle show')
      .addCommand(bundleShow(io))
      .addCommand(bundleList(io))
      .addCommand(bundleSet(io))
      .addCommand(bundleDelete(io)),
  )
  program.addCommand(
    group('federation', 'where other trust domains serve their bundles', 'federation list')
      .addCommand(federationCreate(io))
      .addCommand(federationUpdate(io))
      .addCommand(federationList(io))
      .addCommand(federationShow(io))
      .addCommand(federationDelete(io))
      .addCommand(federationRefresh(io)),
  )
  program.addCommand(
    group('authority', 'the keys that sign', 'authority x509 show')
      .addCommand(authority(io, 'x509', 'CAs, which sign certificates'))
      .addCommand(authority(io, 'jwt', 'keys that sign JWT-SVIDs'))
      .addCommand(authority(io, 'oauth', 'keys that sign access tokens')),
  )
  program.addCommand(
    withVerbs(
      group('logger', 'what the server logs', 'logger set --level debug'),
      serverLogger(io),
    ),
  )
  program.addCommand(importEntries(io))
  program.addCommand(
    group(
      'audit',
      'what was issued, refused and changed',
      'audit verify /var/lib/countersign/server/audit.log',
    )
      .addCommand(auditSearch(io))
      .addCommand(auditVerify(io))
      .addCommand(auditExport(io)),
  )
  program.addCommand(
    group(
      'policy',
      'who may have which token, call which vendor and revoke what',
      'policy check /etc/countersign/policy',
    )
      .addCommand(policyCheck(io))
      .addCommand(policyTest(io))
      .addCommand(policyExplain(io))
      .addCommand(policyApply(io))
      .addCommand(policyShow(io))
      .addCommand(policyHistory(io)),
  )
  program.addCommand(
    group('legacy', 'callers that can send nothing but a static key, until they end', 'legacy list')
      .addCommand(legacyAdd(io))
      .addCommand(legacyList(io))
      .addCommand(legacyRemove(io)),
  )
  program.addCommand(
    group('grant', 'who can reach what with access tokens', 'grant list')
      .addCommand(grantList(io))
      .addCommand(grantTokens(io)),
  )
  program.addCommand(
    withVerbs(
      group(
        'revoke',
        'end tokens before their time',
        `revoke token 5f0c2a9e-… --reason "laptop lost"

Whose entry stays gets tokens again from the next second on, with a new SVID: to end that, disable or
delete the entry, ban the agent, or "countersign offboard" its owner.`,
      ),
      revokeVerbs(io),
    ),
  )
  program.addCommand(offboard(io))
  program.addCommand(
    group('svid', 'sign without an entry', mintExample).addCommand(
      group('mint', 'for an ID of your choice', mintExample)
        .addCommand(mintX509(io))
        .addCommand(mintJwt(io)),
    ),
  )
  program.addCommand(
    group('fetch', 'what this process may have', 'fetch x509')
      .addCommand(fetchX509(io))
      .addCommand(fetchJwt(io))
      .addCommand(fetchBundles(io))
      .addCommand(fetchToken(io)),
  )
  program.addCommand(watch(io))
  program.addCommand(files(io))
  program.addCommand(exec(io))
  program.addCommand(
    group(
      'validate',
      'check what others show',
      'validate jwt --audience https://api.example.org --token-file -',
    ).addCommand(validateJwt(io)),
  )
  program.addCommand(reportVerb(io))
  program.addCommand(completion(io, () => program))
  for (const command of all(program)) {
    sayWhichValue(command)
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({
        writeOut: (text) => io.write(text),
        writeErr: (text) => io.note(text.trimEnd()),
        outputError: (text, write) => write(withFix(text, command)),
      })
  }
  return program
}

/** What to do stands where it stands in every other error, also where commander has a guess. */
function withFix(text: string, command: Command): string {
  const guess = /^\(Did you mean (.+)\?\)$/m
  if (text.startsWith("error: unknown option '--json'")) {
    const json = ['--output json', '--format json'].find((words) =>
      command.options.some(({ long }) => long !== undefined && words.startsWith(`${long} `)),
    )
    if (json !== undefined) return `${text.replace(guess, '').trimEnd()}\n  fix: use ${json}`
  }
  return guess.test(text)
    ? text.replace(guess, '  fix: did you mean $1?')
    : `${text}  fix: see "${nameOf(command)} --help"`
}

function withVerbs(group: Command, verbs: readonly Command[]): Command {
  for (const verb of verbs) group.addCommand(verb)
  return group
}

function authority(io: Io, kind: AuthorityKind, description: string): Command {
  return group(kind, description, `authority ${kind} show`)
    .addCommand(authorityShow(io, kind))
    .addCommand(authorityPrepare(io, kind))
    .addCommand(authorityActivate(io, kind))
    .addCommand(authorityTaint(io, kind))
    .addCommand(authorityRevoke(io, kind))
}

function group(name: string, description: string, example: string): Command {
  return new Command(name)
    .description(description)
    .addHelpText('after', `\nExample:\n  countersign ${example}`)
}

/** As it is typed. */
function nameOf(command: Command): string {
  const { parent } = command
  return parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`
}

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)]
}

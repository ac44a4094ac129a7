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

const mintExample = 'svid mint jwt --spiffe-id spiffe://example.org/legacy --audience api'

const revokeExample = `revoke token 5f0c2a9e-… --reason "laptop lost"

Whose entry stays gets tokens again from the next second on, with a new SVID: to end that, disable or
delete the entry, ban the agent, or "countersign offboard" its owner.`

/** Every verb, as the help lists them. What is heavy is loaded when a verb runs. */
export function verbsOf(io: Io, program: () => Command): readonly Command[] {
  return [
    dev(io),
    group('server', 'run and look after a server', 'server run --config server.yaml', [
      serverRun(io),
      serverInit(io),
      serverHealth(io),
      group('clock', `the server's clock`, 'server clock accept', [clockAccept(io)]),
    ]),
    group('agent', 'run an agent, or look after those of a server', 'agent list', [
      agentRun(io),
      agentHealth(io),
      agentInfo(io),
      agentList(io),
      agentShow(io),
      agentBan(io),
      agentEvict(io),
      group('logger', 'what the agent logs', 'agent logger set --level debug', agentLogger(io)),
    ]),
    group(
      'broker',
      'call vendors with keys that no workload holds',
      'broker run --config broker.yaml',
      [brokerRun(io), brokerReport(io), brokerSeal(io)],
    ),
    forwardAuth(io),
    group('token', 'let a node join', 'token create', [tokenCreate(io)]),
    group('entry', 'register workloads', 'entry list --owner web-team', [
      entryCreate(io),
      entryUpdate(io),
      entryDisable(io),
      entryEnable(io),
      entryDelete(io),
      entryShow(io),
      entryList(io),
      entryCount(io),
    ]),
    group('bundle', 'trust bundles', 'bundle show', [
      bundleShow(io),
      bundleList(io),
      bundleSet(io),
      bundleDelete(io),
    ]),
    group('federation', 'where other trust domains serve their bundles', 'federation list', [
      federationCreate(io),
      federationUpdate(io),
      federationList(io),
      federationShow(io),
      federationDelete(io),
      federationRefresh(io),
    ]),
    group('authority', 'the keys that sign', 'authority x509 show', [
      authority(io, 'x509', 'CAs, which sign certificates'),
      authority(io, 'jwt', 'keys that sign JWT-SVIDs'),
      authority(io, 'oauth', 'keys that sign access tokens'),
    ]),
    group('logger', 'what the server logs', 'logger set --level debug', serverLogger(io)),
    importEntries(io),
    group(
      'audit',
      'what was issued, refused and changed',
      'audit verify /var/lib/countersign/server/audit.log',
      [auditSearch(io), auditVerify(io), auditExport(io)],
    ),
    group(
      'policy',
      'who may have which token, call which vendor and revoke what',
      'policy check /etc/countersign/policy',
      [
        policyCheck(io),
        policyTest(io),
        policyExplain(io),
        policyApply(io),
        policyShow(io),
        policyHistory(io),
      ],
    ),
    group(
      'legacy',
      'callers that can send nothing but a static key, until they end',
      'legacy list',
      [legacyAdd(io), legacyList(io), legacyRemove(io)],
    ),
    group('grant', 'who can reach what with access tokens', 'grant list', [
      grantList(io),
      grantTokens(io),
    ]),
    group('revoke', 'end tokens before their time', revokeExample, revokeVerbs(io)),
    offboard(io),
    group('svid', 'sign without an entry', mintExample, [
      group('mint', 'for an ID of your choice', mintExample, [mintX509(io), mintJwt(io)]),
    ]),
    group('fetch', 'what this process may have', 'fetch x509', [
      fetchX509(io),
      fetchJwt(io),
      fetchBundles(io),
      fetchToken(io),
    ]),
    watch(io),
    files(io),
    exec(io),
    group(
      'validate',
      'check what others show',
      'validate jwt --audience https://api.example.org --token-file -',
      [validateJwt(io)],
    ),
    reportVerb(io),
    completion(io, program),
  ]
}

function authority(io: Io, kind: AuthorityKind, description: string): Command {
  return group(kind, description, `authority ${kind} show`, [
    authorityShow(io, kind),
    authorityPrepare(io, kind),
    authorityActivate(io, kind),
    authorityTaint(io, kind),
    authorityRevoke(io, kind),
  ])
}

function group(
  name: string,
  description: string,
  example: string,
  verbs: readonly Command[],
): Command {
  const made = new Command(name)
    .description(description)
    .addHelpText('after', `\nExample:\n  countersign ${example}`)
  for (const verb of verbs) made.addCommand(verb)
  return made
}

import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { fromPem } from '../../src/x509/pem.ts'
import { type FederatedServer, reachOf, startFederatedServer } from '../support/federated-server.ts'
import {
  accountUid,
  githubClaims,
  gitlabClaims,
  kubernetesClaims,
  type OidcIssuer,
  podUid,
} from '../support/oidc-issuer.ts'

const bin = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))
const page = readFileSync(new URL('../../docs/federated-identity.md', import.meta.url), 'utf8')
const audience = 'https://as.example.org'
const deploy = 'spiffe://example.org/ci/deploy'
const orders = 'spiffe://example.org/shop/orders'

/** What is to be typed or written in a section of the page, by its first words; '' is what stands before the first. */
function blocksOf(section: string): readonly string[] {
  const [intro = '', ...sections] = page.split(/^## /m)
  const text = section === '' ? intro : sections.find((one) => one.startsWith(section))
  return [...(text ?? '').matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
}

/** The issuer that the section has settings for, as it is on this machine. */
function settingsOf(section: string, one: OidcIssuer, more: object = {}): object {
  const { oauth } = parse(blocksOf(section)[0] ?? '') as {
    oauth: { federation: readonly object[] }
  }
  return { ...oauth.federation[0], issuer: one.url, ...reachOf(one), ...more }
}

/** With the line of the section on SVIDs in each rule. */
function giving(settings: object): object {
  const { rules } = settings as { readonly rules: readonly object[] }
  const issue = ['access_token', 'x509_svid']
  return { ...settings, rules: rules.map((rule) => ({ ...rule, issue })) }
}

const missing = ['curl', 'jq', 'openssl'].filter(
  (program) => spawnSync(program, ['version']).error !== undefined,
)
let world: FederatedServer
let folder: string

/** Types the lines in a folder where curl finds everything on this machine. */
async function typed(lines: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-ec', lines], {
    cwd: folder,
    env: {
      ...{ PATH: `${folder}:${process.env['PATH']}`, CURL_HOME: folder, HOME: folder },
      COUNTERSIGN_ADMIN_SOCKET: world.server.config.adminSocket,
      ...env,
    },
  })
  return stdout
}

function written(name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}

const title = 'docs/federated-identity.md as it is typed'
if (missing.length > 0) {
  test(title, (context) => context.skip(`this machine lacks ${missing.join(', ')}`))
} else {
  describe(title, typing)
}

function typing(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cs-typed-'))
    const [policy = '', entry = ''] = blocksOf('')
    world = await startFederatedServer({
      policy,
      entries: [],
      federation: ({ github, gitlab, kubernetes }) => {
        const tokenFile = join(folder, 'reviewer.token')
        writeFileSync(tokenFile, 'reviewer', { mode: 0o600 })
        const jwk = { ...kubernetes.publicKey.export({ format: 'jwk' }), kid: kubernetes.keyId }
        writeFileSync(
          join(folder, 'cluster-keys.json'),
          JSON.stringify({ keys: [{ ...jwk, use: 'sig', alg: 'RS256' }] }),
        )
        const review = { url: kubernetes.url, ca_file: kubernetes.ca, token_file: tokenFile }
        const ours = { jwks_file: join(folder, 'cluster-keys.json'), token_review: review }
        return [
          giving(settingsOf('A GitHub workflow', github)),
          settingsOf('A GitLab job', gitlab),
          settingsOf('A Kubernetes pod', kubernetes, ours),
        ]
      },
    })
    const { github, certificate, port } = world
    const write = (name: string, text: string, mode = 0o600): void =>
      writeFileSync(join(folder, name), text, { mode })
    write('cas.pem', [certificate.ca, github.ca].map((ca) => readFileSync(ca, 'utf8')).join(''))
    write(
      '.curlrc',
      `cacert = "${folder}/cas.pem"\nconnect-to = "as.example.org:443:127.0.0.1:${port}"\n`,
    )
    write('countersign', `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, 0o755)
    for (const said of [audience, encodeURIComponent(audience)]) {
      github.answer(`/token?api-version=2.0&audience=${said}`, (request, response) => {
        const known = request.headers.authorization === 'Bearer of-the-job'
        void github
          .sign(githubClaims(audience))
          .then((value) => response.writeHead(known ? 200 : 401).end(JSON.stringify({ value })))
      })
    }
    await typed(`${entry}\n${entry.replace(deploy, orders)}`)
  })

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a GitHub workflow gets its token by name, from where GitHub tells it', async () => {
    const { github } = world
    const { jobs } = parse(blocksOf('A GitHub workflow')[1] ?? '') as {
      jobs: { deploy: { steps: readonly [{ run: string }] } }
    }
    await typed(jobs.deploy.steps[0].run, {
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
    })
    expect(decodeJwt(written('access.jwt'))).toMatchObject({ sub: deploy, scope: 'orders:read' })
  })

  test('countersign fetch token does the same, for GitHub, for GitLab, and for the token of a file', async () => {
    const { github, gitlab, port } = world
    const [, , command = 'exit 1'] = blocksOf('A GitHub workflow')
    const here = command.replace(
      'fetch token',
      `fetch token --token-endpoint https://localhost:${port}/oauth/token --ca cas.pem`,
    )
    const subjectOf = async (env: Readonly<Record<string, string>>, line = here) => {
      await typed(line, { NODE_EXTRA_CA_CERTS: join(folder, 'cas.pem'), ...env })
      return decodeJwt(written('access.jwt')).sub
    }
    const ofGithub = {
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
    }
    const ofGitlab = { COUNTERSIGN_ID_TOKEN: await gitlab.sign(gitlabClaims(audience)) }
    writeFileSync(join(folder, 'github.jwt'), await github.sign(githubClaims(audience)))
    const ofFile = here.replace('fetch token', 'fetch token --token-file github.jwt')
    expect(await subjectOf(ofGithub)).toBe(deploy)
    expect(await subjectOf(ofGitlab)).toBe(deploy)
    expect(await subjectOf({}, ofFile)).toBe(deploy)
    for (const [env, fix] of [
      [{}, 'id-token: write'],
      [{ ...ofGithub, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'x' }, 'GitHub gives this job no token'],
      [ofGitlab, 'the authorization server refuses: invalid_request'],
    ] as const) {
      const failure = await subjectOf(env).catch((error: { stderr: string }) => error.stderr)
      expect(failure).toContain(fix)
      expect(failure).not.toContain('eyJ')
    }
  })

  test('a GitLab job gets one for the token of its environment', async () => {
    const job = parse(blocksOf('A GitLab job')[1] ?? '') as {
      deploy: { script: readonly string[] }
    }
    await typed(job.deploy.script.join('\n'), {
      COUNTERSIGN_ID_TOKEN: await world.gitlab.sign(gitlabClaims(audience)),
    })
    expect(decodeJwt(JSON.parse(written('token.json')).access_token).sub).toBe(deploy)
  })

  test('a pod gets one for the token of its volume, while the API server knows it', async () => {
    world.kubernetes.answer('/apis/authentication.k8s.io/v1/tokenreviews', (_, response) => {
      const extra = { 'authentication.kubernetes.io/pod-uid': [podUid] }
      const user = { uid: accountUid, extra }
      const status = { authenticated: true, audiences: [audience], user }
      response.writeHead(201).end(JSON.stringify({ status }))
    })
    const token = await world.kubernetes.sign(kubernetesClaims(audience))
    writeFileSync(join(folder, 'token'), token)
    const [, , , command = ''] = blocksOf('A Kubernetes pod')
    const answer = await typed(command.replace('/run/identity/token', 'token'))
    expect(decodeJwt(JSON.parse(answer).access_token).sub).toBe(orders)
  })

  test('a job gets an X.509-SVID for a key of its own, where the rule gives it', async () => {
    writeFileSync(join(folder, 'github.jwt'), await world.github.sign(githubClaims(audience)))
    await typed(blocksOf('An SVID instead')[0] ?? 'exit 1')
    const { access_token } = JSON.parse(written('svid.json'))
    const [leaf] = fromPem(access_token)
    expect(parseCertificate(leaf?.der ?? Buffer.alloc(0)).uris).toEqual([deploy])
  })
}

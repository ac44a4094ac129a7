import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { CompactSign, exportJWK, type JWK } from 'jose'
import { webCertificate } from './web-certificate.ts'

type Claims = Readonly<Record<string, unknown>>

/** Somebody else's issuer of tokens: a real HTTPS server with a CA of its own. */
export interface OidcIssuer extends AsyncDisposable {
  /** `https://localhost:…`, as in `iss`. */
  readonly url: string
  /** PEM file of its CA. */
  readonly ca: string
  readonly port: number
  /** Paths that were asked for so far. */
  readonly asked: readonly string[]
  /** Signs with the key of now, unless told otherwise; `iss` is the issuer's own unless among the claims. */
  sign(claims: Claims, header?: Claims, key?: KeyObject | Uint8Array): Promise<string>
  /** The public key of now. */
  readonly publicKey: KeyObject
  readonly keyId: string
  /** Signs with a new key from now on, and publishes it beside the old ones. */
  rotate(): void
  /** In place of what it would answer to this path. */
  answer(path: string, listener: RequestListener | undefined): void
}

interface Key {
  readonly kid: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

function newKey(): Key {
  return { kid: randomUUID(), ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }
}

export async function startOidcIssuer(): Promise<OidcIssuer> {
  const web = await webCertificate('localhost')
  const keys = [newKey()]
  const asked: string[] = []
  const answers = new Map<string, RequestListener>()
  const server = createServer(
    { cert: readFileSync(web.certificate), key: readFileSync(web.key) },
    (request, response) => {
      const { url: path = '' } = request
      asked.push(path)
      const other = answers.get(path)
      if (other !== undefined) return other(request, response)
      void documentAt(path).then((document) => {
        response.statusCode = document === undefined ? 404 : 200
        response.setHeader('content-type', 'application/json').end(JSON.stringify(document ?? {}))
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  const url = `https://localhost:${port}`
  const newest = (): Key => keys[0] as Key
  const documentAt = async (path: string): Promise<unknown> => {
    if (path === '/.well-known/openid-configuration') {
      return {
        issuer: url,
        jwks_uri: `${url}/keys`,
        id_token_signing_alg_values_supported: ['RS256'],
      }
    }
    return path === '/keys' ? { keys: await Promise.all(keys.map(jwkOf)) } : undefined
  }
  return {
    ...{ url, ca: web.ca, port, asked },
    get publicKey() {
      return newest().publicKey
    },
    get keyId() {
      return newest().kid
    },
    sign(claims, header = {}, key = newest().privateKey) {
      const payload = Buffer.from(JSON.stringify({ iss: url, ...claims }))
      return new CompactSign(payload)
        .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: newest().kid, ...header })
        .sign(key)
    },
    rotate: () => void keys.unshift(newKey()),
    answer(path, listener) {
      if (listener === undefined) answers.delete(path)
      else answers.set(path, listener)
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      rmSync(web.folder, { recursive: true, force: true })
    },
  }
}

async function jwkOf({ kid, publicKey }: Key): Promise<JWK> {
  return { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' }
}

/** Seconds since 1970. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** Beside `alg` and `kid`: GitHub names the certificate of its key, and the API server of Kubernetes no type. */
export const githubHeader: Claims = { x5t: 'eBZ_cn3sXYAd0ch4THBKHIgOwOE' }
export const kubernetesHeader: Claims = { typ: undefined }

/** As GitHub Actions has them (OpenID Connect reference, "OIDC token claims"). */
export function githubClaims(
  audience: string,
  more: Claims = {},
  now: number = nowSeconds(),
): Claims {
  return {
    jti: randomUUID(),
    sub: 'repo:shop/orders:environment:prod',
    aud: audience,
    ...{ environment: 'prod', ref: 'refs/heads/main', ref_type: 'branch', ref_protected: 'true' },
    ...{ sha: 'f'.repeat(40), repository: 'shop/orders', repository_owner: 'shop' },
    ...{ repository_id: '74', repository_owner_id: '65', repository_visibility: 'private' },
    ...{ actor: 'octocat', actor_id: '12', run_id: '1', run_number: '10', run_attempt: '2' },
    ...{ workflow: 'deploy', event_name: 'push', head_ref: '', base_ref: '' },
    ...{ workflow_sha: 'f'.repeat(40), check_run_id: '36', enterprise: 'shop', enterprise_id: '8' },
    workflow_ref: 'shop/orders/.github/workflows/deploy.yml@refs/heads/main',
    job_workflow_ref: 'shop/orders/.github/workflows/deploy.yml@refs/heads/main',
    job_workflow_sha: 'f'.repeat(40),
    runner_environment: 'github-hosted',
    ...{ nbf: now - 600, iat: now, exp: now + 300 },
    ...more,
  }
}

/** As GitLab has them (GitLab docs, "OpenID Connect (OIDC) Authentication Using ID Tokens"). */
export function gitlabClaims(
  audience: string,
  more: Claims = {},
  now: number = nowSeconds(),
): Claims {
  return {
    ...{
      namespace_id: '72',
      namespace_path: 'shop',
      project_id: '20',
      project_path: 'shop/orders',
    },
    ...{
      user_id: '1',
      user_login: 'sam',
      user_email: 'sam@example.com',
      user_access_level: 'owner',
      user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
    },
    ...{ job_namespace_id: '72', job_namespace_path: 'shop' },
    ...{ job_project_id: '20', job_project_path: 'shop/orders' },
    ...{ pipeline_id: '574', pipeline_source: 'push', job_id: '302', ref: 'main' },
    ...{ deployment_tier: 'production', environment_action: 'start', job_source: 'push' },
    job_config: { url: 'https://gitlab.example.com/p/-/blob/714a629c/policy.yml', sha: '714a629c' },
    ...{ ref_type: 'branch', ref_path: 'refs/heads/main', ref_protected: 'true' },
    ...{ groups_direct: ['shop'], environment: 'prod', environment_protected: 'true' },
    ...{
      runner_id: 1,
      runner_environment: 'self-hosted',
      sha: '714a629c',
      project_visibility: 'public',
    },
    ci_config_ref_uri: 'gitlab.example.com/shop/orders//.gitlab-ci.yml@refs/heads/main',
    ci_config_sha: '714a629c',
    jti: randomUUID(),
    ...{ iat: now, nbf: now - 5, exp: now + 3600 },
    sub: 'project_path:shop/orders:ref_type:branch:ref:main',
    aud: audience,
    ...more,
  }
}

export const podUid: string = '778a530c-b3f4-47c0-9cd5-ab018fb64f33'
export const accountUid: string = 'a087d5a0-e1dd-43ec-93ac-f13d89cd13af'

/** As the API server of Kubernetes has them for a projected token of a pod. */
export function kubernetesClaims(
  audience: string,
  more: Claims = {},
  now: number = nowSeconds(),
): Claims {
  return {
    aud: [audience],
    ...{ exp: now + 3600, iat: now, nbf: now },
    jti: randomUUID(),
    'kubernetes.io': {
      namespace: 'shop',
      node: { name: 'node-1', uid: '58456cb0-dd00-45ed-b797-5578fdceaced' },
      pod: { name: 'orders-69cbfb9798-jv9gn', uid: podUid },
      serviceaccount: { name: 'orders', uid: accountUid },
    },
    sub: 'system:serviceaccount:shop:orders',
    ...more,
  }
}

/** The body of a request, as text. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

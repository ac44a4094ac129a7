import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FederatedServer, reachOf, startFederatedServer } from './federated-server.ts'
import { issuer, orders } from './oauth.ts'
import { accountUid, bodyOf, podUid } from './oidc-issuer.ts'

export const id = (path: string): string => `spiffe://example.org/ci/${path}`
const policy = `
@id("ci-reads-orders")
permit (principal is Workload, action == Action::"issueToken", resource == Api::"${orders}")
when { context.auth == "oidc" && ["orders:read"].containsAll(context.scopes) };
`
export const tokenReview: string = '/apis/authentication.k8s.io/v1/tokenreviews'
export const types: string = 'urn:ietf:params:oauth:token-type'
export const x509Type: string = 'urn:countersign:token-type:x509-svid'

/** A server with a rule or more for each of three issuers. */
export function startCi(): Promise<FederatedServer> {
  return startFederatedServer({
    policy,
    entries: ['/ci/deploy', '/ci/lab', '/ci/pod', '/ci/svid', '/ci/twice', '/ci/admin'].map(
      (path) => ({ path, dns_names: ['ci.example.org'], admin: path === '/ci/admin' }),
    ),
    federation({ github, gitlab, kubernetes }) {
      const tokenFile = join(kubernetes.ca, '..', 'reviewer.token')
      writeFileSync(tokenFile, 'reviewer\n', { mode: 0o600 })
      const main = { ref: 'refs/heads/main' }
      const svid = { issue: ['jwt_svid', 'x509_svid'] }
      return [
        {
          ...{ issuer: github.url, kind: 'github', audience: issuer, ...reachOf(github) },
          rules: [
            { match: { repository_id: '74', ...main }, as: id('deploy') },
            { match: { repository_id: '75' }, as: id('nobody') },
            { match: { repository_id: '76' }, as: id('svid'), ...svid },
            { match: { repository_id: '77' }, as: id('admin'), ...svid },
          ],
        },
        {
          ...{ issuer: gitlab.url, kind: 'gitlab', audience: issuer, ...reachOf(gitlab) },
          ...{ jwks: `${gitlab.url}/keys` },
          rules: [{ match: { project_id: '20', ref_protected: 'true' }, as: id('lab') }],
        },
        {
          ...{ issuer: kubernetes.url, kind: 'kubernetes', audience: issuer },
          ...reachOf(kubernetes),
          token_review: { url: kubernetes.url, ca_file: kubernetes.ca, token_file: tokenFile },
          rules: [{ match: { 'kubernetes.io/serviceaccount/uid': accountUid }, as: id('pod') }],
        },
      ]
    },
  })
}

/** What the API server says of the pod's token from now on. */
export function reviewing({ kubernetes }: FederatedServer, status: object): void {
  kubernetes.answer(tokenReview, (request, response) => {
    void bodyOf(request).then((text) => {
      const { spec, kind, apiVersion } = JSON.parse(text)
      const sound = kind === 'TokenReview' && request.headers.authorization === 'Bearer reviewer'
      response.statusCode = sound ? 201 : 401
      const metadata = { creationTimestamp: null }
      response.end(JSON.stringify({ kind, apiVersion, metadata, spec, status }))
    })
  })
}

interface Review {
  readonly authenticated: boolean
  readonly audiences: readonly string[]
  readonly user: {
    readonly username: string
    readonly uid: string
    readonly groups: readonly string[]
    readonly extra: Readonly<Record<string, readonly string[]>>
  }
}

/** What it says of a token that is good. */
export const reviewed: Review = {
  authenticated: true,
  audiences: [issuer],
  user: {
    username: 'system:serviceaccount:shop:orders',
    uid: accountUid,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'],
    extra: {
      'authentication.kubernetes.io/credential-id': ['JTI=2b76b98d-e185-4970-918e-6fa3f30606ab'],
      'authentication.kubernetes.io/node-name': ['node-1'],
      'authentication.kubernetes.io/node-uid': ['58456cb0-dd00-45ed-b797-5578fdceaced'],
      'authentication.kubernetes.io/pod-name': ['orders-69cbfb9798-jv9gn'],
      'authentication.kubernetes.io/pod-uid': [podUid],
    },
  },
}

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Any room may import these. */
const everywhere = ['src/errors', 'src/spiffe-id', 'src/runtime']
const values = [
  'src/entry',
  'src/bundle',
  'src/svid',
  'src/x509',
  'src/jwt',
  'src/rpc',
  'src/mtls',
  'src/audit',
  'src/revocation',
]

/** Room → the rooms that it may import. A room that is not here may not exist. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  // What the package's users import: nothing but names of the rooms' own.
  'src/index': ['src/svid', 'src/bundle', 'src/workload-api'],
  'src/tls': ['src/mtls'],
  'src/http': ['src/mtls'],
  'src/grpc': ['src/mtls', 'src/rpc', 'src/middleware', 'src/resource-server'],
  'src/express': ['src/middleware', 'src/resource-server'],
  'src/connect': ['src/middleware', 'src/resource-server'],
  'src/koa': ['src/middleware', 'src/resource-server'],
  'src/fastify': ['src/middleware', 'src/resource-server'],
  'src/hono': ['src/middleware', 'src/resource-server'],
  'src/resource-server': [
    'src/revocation',
    'src/jwt',
    'src/middleware',
    'src/mtls',
    'src/bundle',
    'src/rpc',
  ],
  'src/oauth-client': ['src/mtls', 'src/svid', 'src/jwt', 'src/resource-server', 'src/revocation'],
  'src/undici': ['src/mtls'],

  'src/errors': [],
  'src/runtime': [],
  'src/spiffe-id': [],
  'src/x509': [],
  'src/jwt': ['src/x509'],
  'src/bundle': ['src/x509', 'src/jwt'],
  'src/svid': ['src/bundle', 'src/x509', 'src/jwt'],
  'src/entry': [],
  'src/request-target': [],
  'src/audit': ['src/jwt'],
  'src/report': ['src/audit'],
  'src/policy': ['src/entry', 'src/request-target'],
  'src/revocation': ['src/jwt'],
  'src/rpc': ['src/svid', 'src/bundle', 'src/entry', 'src/mtls', 'src/x509'],
  'src/mtls': ['src/svid', 'src/bundle', 'src/x509'],
  'src/middleware': ['src/svid', 'src/bundle', 'src/rpc'],
  'src/federation': ['src/mtls', 'src/svid', 'src/bundle'],
  'src/workload-api': ['src/rpc', 'src/svid', 'src/bundle', 'src/jwt', 'src/x509'],
  'src/forward-auth': [
    'src/files',
    'src/middleware',
    'src/mtls',
    'src/oauth-client',
    'src/request-target',
    'src/resource-server',
    'src/rpc',
    'src/workload-api',
  ],
  'src/files': ['src/workload-api', 'src/svid', 'src/bundle', 'src/x509'],
  'src/testing': ['src/rpc', 'src/svid', 'src/bundle', 'src/jwt', 'src/x509'],
  'src/cli': [
    'src/revocation',
    'src/rpc',
    'src/workload-api',
    'src/entry',
    'src/svid',
    'src/audit',
    'src/report',
    'src/files',
    'src/forward-auth',
    'src/policy',
    'src/bundle',
    'src/x509',
    'src/jwt',
    'src/oauth-client',
  ],

  'agent/main': ['agent/*', ...values],
  'agent/offline': ['agent/*', ...values],
  'agent/config': ['agent/admin-endpoint', 'agent/sds'],
  'agent/metrics': [],
  'agent/monitoring': ['agent/config', 'agent/metrics', 'agent/sync'],
  'agent/sds': ['agent/cache', ...values],
  'agent/workload-endpoint': ['agent/workload-attestation', 'agent/cache', 'agent/sds', ...values],
  'agent/admin-endpoint': [
    'agent/workload-endpoint',
    'agent/workload-attestation',
    'agent/cache',
    ...values,
  ],
  'agent/workload-attestation': values,
  'agent/cache': values,
  'agent/sync': ['agent/cache', 'agent/node-attestation', ...values],
  'agent/node-attestation': ['agent/key-store', ...values],
  'agent/key-store': values,

  'server/main': ['server/*', ...values],
  'server/endpoints': ['server/*', ...values],
  'server/parts': ['server/*', ...values],
  'server/token-parts': ['server/*', ...values],
  'server/alarms': ['server/audit', 'server/store', ...values],
  'server/http': ['server/*', ...values],
  'server/identity': ['server/bundle', 'server/ca', ...values],
  'server/readiness': [],
  'server/config': [
    'server/access',
    'server/audit',
    'server/bundle',
    'server/ca',
    'server/oauth',
    'server/oidc',
    'src/entry',
  ],
  'server/metrics': [],
  'server/api': [
    'server/legacy',
    'server/policy',
    'src/policy',
    'server/revocation',
    'server/access',
    'server/changes',
    'server/entry',
    'server/node',
    'server/ca',
    'server/bundle',
    'server/audit',
    'server/store',
    ...values,
  ],
  'server/access': ['server/store', ...values],
  'server/changes': ['server/store', ...values],
  'server/entry': [
    'server/revocation',
    'server/changes',
    'server/store',
    'server/audit',
    ...values,
  ],
  'server/node': [
    'server/revocation',
    'server/ca',
    'server/entry',
    'server/changes',
    'server/store',
    'server/audit',
    ...values,
  ],
  'server/ca': [
    'server/revocation',
    'server/bundle',
    'server/changes',
    'server/store',
    'server/audit',
    ...values,
  ],
  'server/documents': values,
  'server/revocation': ['server/changes', 'server/store', 'src/policy', ...values],
  'server/oidc': ['server/documents', ...values],
  'server/legacy': ['server/entry', 'server/store', 'src/federation', ...values],
  'server/policy': ['server/store', 'src/policy', ...values],
  'server/oauth': [
    'server/legacy',
    'server/revocation',
    'server/access',
    'server/changes',
    'server/ca',
    'server/documents',
    'server/entry',
    'server/policy',
    'server/store',
    'src/federation',
    'src/policy',
    'src/resource-server',
    ...values,
  ],
  'server/broker': [
    'server/access',
    'server/audit',
    'server/ca',
    'server/oauth',
    'server/policy',
    'server/store',
    'src/federation',
    'src/middleware',
    'src/policy',
    'src/request-target',
    'src/resource-server',
    'src/revocation',
    'src/workload-api',
    ...values,
  ],
  'server/bundle': [
    'server/revocation',
    'server/changes',
    'server/documents',
    'server/store',
    'src/federation',
    ...values,
  ],
  'server/audit': ['server/store', ...values],
  'server/store': values,
}

/** The one file of src/ that loads the other side, when it is asked to run a server or an agent. */
const launcher = 'src/cli/launch.ts'
const launched =
  /^(?:server|agent|server\/broker)\/(?:main|config)\.ts$|^server\/broker\/report\.ts$/

function sources(): string[] {
  return ['src', 'agent', 'server'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile() && file.name.endsWith('.ts'))
      .map((file) => relative(root, join(file.parentPath, file.name)))
      .filter((file) => !file.includes('/gen/')),
  )
}

/** `server/ca/issue.ts` → `server/ca`; `server/main.ts` → `server/main`. */
function roomOf(file: string): string {
  const parts = file.replace(/\.ts$/, '').split('/')
  return parts.slice(0, 2).join('/')
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)]
  return found.map((match) => relative(root, join(root, dirname(file), match[1] ?? '')))
}

function isAllowed(from: string, to: string): boolean {
  if (from === to || everywhere.includes(to)) return true
  const allowed = mayImport[from] ?? []
  return allowed.includes(to) || allowed.includes(`${to.split('/')[0]}/*`)
}

test('each room is known, and imports only the rooms that it may', () => {
  const wrong: string[] = []
  for (const file of sources()) {
    const from = roomOf(file)
    if (mayImport[from] === undefined) wrong.push(`${file}: the room ${from} is unknown`)
    for (const target of importsOf(file)) {
      const to = roomOf(target)
      if (file === launcher && launched.test(target)) continue
      if (!isAllowed(from, to)) wrong.push(`${file} imports ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('time and timers are taken from the runtime room only', () => {
  const clocks = /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(?:Timeout|Interval)\(/
  const wrong = sources()
    .filter((file) => !file.startsWith('src/runtime/'))
    .filter((file) => clocks.test(readFileSync(join(root, file), 'utf8')))
  expect(wrong).toEqual([])
})

test('what runs from source runs on Node 22, which cannot read `using`', () => {
  const using = /^\s*(await )?using \w+ =/m
  expect(sources().filter((file) => using.test(readFileSync(join(root, file), 'utf8')))).toEqual([])
})

test('no pattern is made of input, and forge is a writer of ASN.1 and nothing else', () => {
  const wrong = sources().filter((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return (
      /new RegExp\(/.test(text) || /forge\.(pki|rsa|tls|pkcs7|pkcs12|pem)\b|fromDer\(/.test(text)
    )
  })
  expect(wrong).toEqual([])
})

test('T32 no dependency runs an install script that is not known', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>
  }
  const scripts = Object.entries(lock.packages)
    .filter(([, entry]) => entry.hasInstallScript === true)
    .map(([name]) => name.replace(/^.*node_modules\//, ''))
  // None of them is run: installation is with --ignore-scripts, and both work without.
  expect(scripts.sort()).toEqual(['koffi', 'protobufjs'])
})

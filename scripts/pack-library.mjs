// Packs the library, `countersign-VERSION.tgz`: what the entries under "exports" in package.json reach of
// src/, without the command, and with the dependencies that this imports. Refuses what `publint` or
// `@arethetypeswrong/core` find fault with.
//
//   npm run pack:library [-- FOLDER]
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { build } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const oldestNode = '22.13'
/** What the client speaks, and how a call is refused; read when the first of it is needed. */
const protoFiles = [
  'spiffe/workload.proto',
  'grpc/health/v1/health.proto',
  'google/rpc/status.proto',
  'spire/api/types/status.proto',
]
/** What a user brings along who wants it, and no other: loaded when it is asked for. */
const optionalPeers = { undici: '>=6.20' }

/** `./tls` and `.` with the source of each. */
const entries = Object.entries(own.exports).map(([subPath, source]) => ({
  subPath,
  source: join(root, source),
  name: basename(source, '.ts'),
}))

const scratch = mkdtempSync(join(tmpdir(), 'countersign-library-'))
try {
  const stage = join(scratch, 'package')
  const code = await buildCode(join(stage, 'dist'))
  const types = buildTypes(join(scratch, 'types'), join(stage, 'dist', 'types'))
  for (const file of protoFiles) copy(join('proto', file), join(stage, 'proto', file))
  for (const file of types.sources) copy(file, join(stage, file))
  for (const file of ['LICENSE', 'SECURITY.md']) copy(file, join(stage, file))
  copy('src/README.md', join(stage, 'README.md'))
  const imported = new Set([...code, ...types.packages])
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest(imported), null, 2)}\n`)
  const tarball = pack(stage)
  await lint(stage, tarball)
  const target = join(resolve(process.argv[2] ?? root), basename(tarball))
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(tarball, target)
  console.log(target)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** One file an entry, and chunks that they share; answers the packages that these import. */
async function buildCode(dir) {
  const { output } = await build({
    cwd: root,
    input: Object.fromEntries(entries.map(({ name, source }) => [name, source])),
    platform: 'node',
    // What `await using` becomes on an older Node is part of the code.
    external: (id) => !/^(\.|\/|@oxc-project\/runtime\/)/.test(id),
    transform: { target: `node${oldestNode}` },
    output: {
      dir,
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      comments: false,
    },
    logLevel: 'warn',
  })
  const ours = new Set(output.map(({ fileName }) => fileName))
  return output
    .flatMap(({ imports = [], dynamicImports = [] }) => [...imports, ...dynamicImports])
    .filter((id) => !ours.has(id))
    .flatMap(packageOf)
}

/**
 * The declarations that the entries reach, with the sources that their maps point to. A declaration names
 * more of the other rooms than its reader ever sees: what no entry reaches stays behind.
 */
function buildTypes(scratchDir, dir) {
  const config = join(scratch, 'tsconfig.json')
  const compilerOptions = {
    noEmit: false,
    emitDeclarationOnly: true,
    declarationMap: true,
    stripInternal: true,
    rootDir: join(root, 'src'),
    outDir: scratchDir,
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const files = [...entries.map(({ source }) => source), join(root, 'src/x509/forge-asn1.d.ts')]
  const text = { extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [] }
  writeFileSync(config, JSON.stringify(text))
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { stdio: ['ignore', 2, 2] })

  const packages = new Set()
  const reached = new Set()
  const follow = (file) => {
    if (reached.has(file)) return
    reached.add(file)
    const declaration = readFileSync(join(scratchDir, `${file}.d.ts`), 'utf8')
    for (const [, id] of declaration.matchAll(/(?:from|import\() ?["']([^"']+)["']/g)) {
      if (id.startsWith('.')) follow(join(dirname(file), id.replace(/\.[jt]s$/, '')))
      else for (const name of packageOf(id)) packages.add(name)
    }
  }
  for (const { name } of entries) follow(name)
  for (const file of reached) {
    const target = join(dir, `${file}.d.ts`)
    mkdirSync(dirname(target), { recursive: true })
    renameSync(join(scratchDir, `${file}.d.ts`), target)
    const map = JSON.parse(readFileSync(join(scratchDir, `${file}.d.ts.map`), 'utf8'))
    map.sources = [relative(dirname(join('dist/types', file)), join('src', `${file}.ts`))]
    writeFileSync(`${target}.map`, JSON.stringify(map))
  }
  return { packages, sources: [...reached].map((file) => join('src', `${file}.ts`)) }
}

/** `jose/errors` → `jose`; nothing for Node's own. */
function packageOf(id) {
  if (id.startsWith('node:')) return []
  const parts = id.split('/')
  return [parts.slice(0, id.startsWith('@') ? 2 : 1).join('/')]
}

function manifest(imported) {
  const { name, version, license, type } = own
  return {
    name,
    version,
    description:
      'SPIFFE for Node: X.509 and JWT identities from any Workload API, and mutual TLS with them',
    keywords: ['spiffe', 'spire', 'svid', 'mtls', 'workload-identity', 'zero-trust'],
    license,
    type,
    sideEffects: false,
    engines: { node: `>=${oldestNode}` },
    exports: {
      ...Object.fromEntries(
        entries.map(({ subPath, name: file }) => [
          subPath,
          { types: `./dist/types/${file}.d.ts`, default: `./dist/${file}.js` },
        ]),
      ),
      './package.json': './package.json',
    },
    files: ['dist', 'proto', 'src', 'SECURITY.md'],
    dependencies: Object.fromEntries(
      [...imported]
        .filter((dependency) => !(dependency in optionalPeers))
        .sort()
        .map((dependency) => {
          const pinned = own.dependencies[dependency]
          if (pinned === undefined)
            throw new Error(`${dependency} is no dependency of this package`)
          return [dependency, `^${pinned}`]
        }),
    ),
    peerDependencies: optionalPeers,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(optionalPeers).map((peer) => [peer, { optional: true }]),
    ),
  }
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(join(root, from), to)
}

function pack(stage) {
  const made = execFileSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch],
    {
      cwd: stage,
      stdio: ['ignore', 'pipe', 2],
    },
  )
  return join(scratch, JSON.parse(made.toString())[0].filename)
}

async function lint(stage, tarball) {
  const { messages, pkg } = await publint({ pkgDir: stage, strict: true, pack: false })
  const faults = messages.map((message) => formatMessage(message, pkg))
  const { problems } = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
  for (const problem of problems) {
    // For readers of ES modules: neither TypeScript's resolution of 2012 nor CommonJS before `require(esm)`.
    if (problem.resolutionKind === 'node10' || problem.kind === 'CJSResolvesToESM') continue
    faults.push(JSON.stringify(problem))
  }
  if (faults.length > 0) throw new Error(`the package is not sound:\n${faults.join('\n')}`)
}

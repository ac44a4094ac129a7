import type { InstalledPackage } from './installed-package.ts'

/** All that a program can depend on, a line each: what is exported from where, and what errors may say. */
export function publicFace(installed: InstalledPackage, subPaths: readonly string[]): string {
  const lines = subPaths.flatMap((subPath) => {
    const file = subPath === 'countersign' ? 'index' : subPath.replace('countersign/', '')
    return exportsOf(installed.read(`dist/types/${file}.d.ts`)).map((name) => `${subPath} ${name}`)
  })
  const codes = installed.read('dist/types/errors.d.ts').match(/ErrorCode = ([^;]+);/)?.[1] ?? ''
  const said = installed.files
    .filter((file) => /^dist\/[^/]+\.js$/.test(file))
    .flatMap((file) => reasonsOf(installed.read(file)))
  return [
    ...lines.sort(),
    ...[...codes.matchAll(/'(\w[\w-]*)'/g)].map(([, code]) => `code ${code}`).sort(),
    ...[...new Set(said)].sort().map((reason) => `reason ${reason}`),
    '',
  ].join('\n')
}

/** `X509Source`, `type Endpoint`: entries name each of their exports. */
function exportsOf(entry: string): string[] {
  return [...entry.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type = '', names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => (type === '' ? name : `type ${name}`)),
  )
}

// Words that are handed to other functions.
const noReasons: ReadonlySet<string> = new Set(['utf-8', 'x509-svid', 'jwt-svid'])

/** `{ reason: "…" }`, one of two, one that is made up of another, and `refuse("…", …)`. */
function reasonsOf(code: string): string[] {
  const named = [...code.matchAll(/\breason: ([^\n]*)/g)].flatMap(([, value = '']) => [
    ...value.matchAll(/"([a-z0-9]+(?:-[a-z0-9]+)*)"|`([a-z0-9]+-)\$\{/g),
  ])
  const refused = code.matchAll(/\w\(\s*"([a-z0-9]+(?:-[a-z0-9]+)+)"[,)]/g)
  return [...named, ...refused]
    .map(([, whole, beginning]) => whole ?? `${beginning}…`)
    .filter((reason) => !noReasons.has(reason))
}

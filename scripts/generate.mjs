// Makes src/rpc/gen from proto/. With --check it only tells whether what is checked in is current.
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const protoDir = join(root, 'proto')
const target = join(root, 'src/rpc/gen')

function filesBelow(dir, ext) {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ext))
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort()
}

const scratch = mkdtempSync(join(tmpdir(), 'countersign-gen-'))
try {
  execFileSync(
    process.execPath,
    [
      join(root, 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js'),
      '--longs=String',
      '--enums=String',
      '--bytes=Buffer',
      '--keepCase',
      '--defaults',
      '--oneofs',
      '--grpcLib=@grpc/grpc-js',
      '--importFileExtension=.ts',
      '--targetFileExtension=.ts',
      '--inputTemplate=%s$Input',
      '--outputTemplate=%s',
      `--includeDirs=${protoDir}`,
      '-O',
      scratch,
      ...filesBelow(protoDir, '.proto'),
    ],
    { cwd: protoDir, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  // The file per .proto names a whole package tree that nothing here needs, and on a file system
  // without case `jwtsvid.ts` would stand in the way of the message `JWTSVID.ts`.
  for (const file of filesBelow(protoDir, '.proto')) {
    rmSync(join(scratch, `${basename(file, '.proto')}.ts`), { force: true })
  }
  const made = filesBelow(scratch, '.ts')
  for (const file of made) {
    const text = readFileSync(join(scratch, file), 'utf8')
    writeFileSync(join(scratch, file), text.replace(/^\/\/ Original file: .*\n\n/gm, ''))
  }
  if (process.argv.includes('--check')) {
    const kept = filesBelow(target, '.ts')
    const stale =
      made.join() !== kept.join() ||
      made.some(
        (file) =>
          readFileSync(join(scratch, file), 'utf8') !== readFileSync(join(target, file), 'utf8'),
      )
    if (stale) {
      console.error('src/rpc/gen is not what proto/ says; run: npm run generate')
      process.exitCode = 1
    }
  } else {
    rmSync(target, { recursive: true, force: true })
    cpSync(scratch, target, { recursive: true })
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

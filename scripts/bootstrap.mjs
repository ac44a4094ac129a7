// Runs a command of this repository: installs what is missing, and brings a Node that is new enough
// where the machine's own is older. Uses nothing but Node's own modules, from Node 18 up.
//
//   node scripts/bootstrap.mjs node src/cli/bin.ts dev
//   node scripts/bootstrap.mjs vitest run
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
// 22.18 is the first that runs TypeScript as it is; the SQLite binding crashes older ones.
const neededMajor = 22
const neededMinor = 18
const exitConfig = 78

const [command, ...args] = process.argv.slice(2)
if (command === undefined) fail('usage: node scripts/bootstrap.mjs COMMAND [ARG ...]')

const node = await withLock(() => {
  const found = newEnoughNode()
  installDependencies(found)
  linkNode(found)
  return found
})
run(node)

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major >= 24 || (major === neededMajor && minor >= neededMinor)
}

/** The Node that runs this script, or the one kept in tools/node24, installed at need. */
function newEnoughNode() {
  if (isNewEnough(process.versions.node)) return process.execPath
  const folder = join(root, 'tools', 'node24')
  const binary = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
  if (!existsSync(binary)) {
    if (process.platform !== 'linux') {
      fail(`this needs Node ${neededMajor}.${neededMinor} or newer; here is ${process.version}`)
    }
    say(
      `Node ${process.version} is too old for Countersign: fetching Node 24 for this folder alone`,
    )
    npm(process.execPath, folder, ['ci', '--ignore-scripts'])
    if (!existsSync(binary)) {
      fail(
        `no Node for ${process.platform}-${process.arch}; install Node ${neededMajor}.${neededMinor} or newer`,
      )
    }
  }
  return binary
}

function installDependencies(withNode) {
  const kept = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(kept) && sameLock(join(root, 'package-lock.json'), kept)) return
  say('installing dependencies')
  npm(withNode, root, ['ci', '--ignore-scripts', '--include=dev', '--include=optional'])
}

/** True where each package that is installed stands in the lock with the same version, and none is missing that this platform needs. */
function sameLock(wanted, installed) {
  const want = JSON.parse(readFileSync(wanted, 'utf8')).packages
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages
  const names = Object.keys(want).filter((name) => name !== '')
  return (
    names.every((name) =>
      have[name] === undefined
        ? want[name].optional === true
        : have[name].version === want[name].version,
    ) && Object.keys(have).every((name) => want[name] !== undefined)
  )
}

/** `npx` and scripts that say `node` get the same Node as this one. */
function linkNode(target) {
  const link = join(root, 'node_modules', '.bin', 'node')
  if (target === process.execPath || existsSync(link)) return
  rmSync(link, { force: true })
  symlinkSync(target, link)
}

function npm(withNode, cwd, argv) {
  const cli = process.env.npm_execpath
  const useCli = cli?.endsWith('.js') === true
  const env = {
    ...process.env,
    PATH: dirname(withNode) + delimiter + process.env.PATH,
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    npm_config_loglevel: 'error',
  }
  const done = useCli
    ? spawnSync(withNode, [cli, ...argv], { cwd, env, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', argv, { cwd, env, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) {
    fail(`npm ${argv.join(' ')} failed in ${cwd}; is a package registry within reach?`)
  }
}

/** One installation at a time: a folder is the lock, and says whose it is, since a killed process leaves it behind. */
async function withLock(work) {
  const lock = join(root, '.bootstrap.lock')
  for (let said = false; ; said = true) {
    try {
      mkdirSync(lock)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (isStale(lock)) {
      rmSync(lock, { recursive: true, force: true })
      continue
    }
    if (!said) say(`waiting for another installation in this folder (${lock})`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  writeFileSync(join(lock, 'pid'), String(process.pid))
  try {
    return work()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function isStale(lock) {
  try {
    if (Date.now() - statSync(lock).mtimeMs > 10 * 60_000) return true
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/** Runs the command in our place: its signals, its exit code; it does not outlive us. */
function run(withNode) {
  const bin = join(root, 'node_modules', '.bin')
  const child = spawn(command === 'node' ? withNode : join(bin, command), args, {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: [dirname(withNode), bin, process.env.PATH].join(delimiter),
      NODE_COMPILE_CACHE:
        process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'compile'),
    },
  })
  // A terminal sends Ctrl-C to all of the group: the child has it already. npm passes neither on.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.on('SIGHUP', () => child.kill('SIGTERM'))
  // npm that is killed leaves us behind without a word: notice that our parent is gone.
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGTERM')
  }, 500).unref()
  child.on('error', (error) => fail(`cannot run ${command}: ${error.message}`))
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 1))
  })
}

function say(text) {
  process.stderr.write(`countersign: ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(exitConfig)
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/from-api-keys.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'cs-afternoon-'))
let shell: ChildProcessWithoutNullStreams | undefined

afterAll(async () => {
  if (shell?.exitCode === null) {
    const ended = once(shell, 'exit')
    shell.stdin.end('kill $orders $agent $server 2> /dev/null || true\nwait\n')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
})

interface Block {
  readonly typed: string
  /** What the page says that is answered; undefined where it does not. */
  readonly answer: string | undefined
}

/** What is to be typed, with the answer where one stands below it: a block without a command is an answer. */
function blocks(): readonly Block[] {
  const found = [...page.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text)
  const isAnswer = (text: string | undefined): boolean => /^(3 orders|\{)/.test(text ?? '')
  return found.flatMap((typed, at) => {
    const next = found[at + 1]
    return isAnswer(typed) ? [] : [{ typed, answer: isAnswer(next) ? next : undefined }]
  })
}

/** One shell for the whole page, as its reader has one. */
async function openShell(): Promise<(text: string) => Promise<string>> {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const command = `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'bin/countersign.mjs')}' "$@"\n`
  writeFileSync(join(bin, 'countersign'), command, { mode: 0o755 })
  // The reader is in the checkout, where the package is known by its name.
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/countersign'))
  const child = spawn('bash', ['-e'], {
    cwd: folder,
    env: { PATH: `${bin}:${dirname(process.execPath)}:${process.env['PATH']}`, HOME: folder },
  })
  shell = child
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += String(chunk)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async (text) => {
    // What was answered may end without a newline.
    child.stdin.write(`${text}\necho; echo end-of-block\n`)
    let said = ''
    for (;;) {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`it ended in:\n${text}\n${said}\n${errors}`)
      if (value === 'end-of-block') return said
      said += `${value}\n`
    }
  }
}

test('docs/from-api-keys.md as it is typed: the key goes, the caller stays, and its plug is pulled', async () => {
  const type = await openShell()
  const ports = new Map<string, string>()
  for (const port of ['8081', '8443', '8600']) ports.set(port, String(await freePort()))
  const here = (text: string): string =>
    text
      .replace(/^alias countersign.*$/m, '')
      .replaceAll(/\b(8081|8443|8600)\b/g, (port) => ports.get(port) ?? port)
  const said: string[] = []
  const [cleanUp, ...upwards] = blocks().toReversed()
  for (const { typed, answer } of upwards.toReversed()) {
    const heard = await type(here(typed))
    said.push(heard)
    if (answer !== undefined) expect(heard).toContain(answer.trim())
  }
  // What answered last is what was started last.
  expect(await type("tr '\\0' ' ' < /proc/$orders/cmdline")).toContain('after.mjs')
  expect(said.join('')).toContain('till-7')
  expect(
    said.filter((text) => text.includes('3 orders, for spiffe://example.org/web')),
  ).toHaveLength(2)
  expect(said.at(-1)).toContain('spiffe://example.org/web')
  expect(readFileSync(join(folder, 'afternoon/report.txt'), 'utf8')).toContain('NHI')
  await type(here(cleanUp?.typed ?? ''))
  expect(existsSync(join(folder, 'afternoon'))).toBe(false)
}, 600_000)

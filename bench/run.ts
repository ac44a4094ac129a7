// Runs all benches, or the named ones, one after the other, each in a process of its own: a line of JSON
// each on stdout, a table on stderr.
//
//   npm run bench -- fetch sign-x509 --short
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Figure } from './support/report.ts'

const all = [
  'propagation',
  'fetch',
  'dial-fetch',
  'sign-x509',
  'new-jwt',
  'create-entries',
  'start-100k',
  'dev-start',
  'load',
  'memory',
  'connections',
  'crash',
  'mtls',
  'policy',
  'broker',
  'revocation',
  'verify',
  'oauth',
] as const

const args = process.argv.slice(2)
const flags = args.filter((arg) => arg.startsWith('--'))
const named = args.filter((arg) => !arg.startsWith('--'))
const unknown = [
  ...named.filter((name) => !(all as readonly string[]).includes(name)),
  ...flags.filter((flag) => flag !== '--short'),
]
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(', ')}\nbenches: ${all.join(', ')}; --short\n`)
  process.exit(64)
}

interface Result {
  readonly name: string
  readonly figures: Readonly<Record<string, Figure>>
}

function run(name: string): Promise<string | undefined> {
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [script, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return new Promise((resolve) => {
    child.once('close', (code) => resolve(code === 0 && text !== '' ? text.trim() : undefined))
  })
}

function row(cells: readonly string[]): string {
  const widths = [34, 10, 10, 7, 16, 16]
  return `${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}\n`
}

function rowOf(name: string, key: string, figure: Figure): string {
  const verdict = figure.met === undefined ? '' : figure.met ? '  met' : '  MISSED'
  return row([
    `${name} ${key}`,
    `${figure.ours}`,
    `${figure.bare ?? ''}`,
    `${figure.ratio ?? ''}`,
    figure.unit,
    `${figure.target ?? ''}${verdict}`,
  ])
}

process.stderr.write(row(['figure', 'ours', 'bare', 'ratio', 'unit', 'target']))
for (const name of all.filter((one) => named.length === 0 || named.includes(one))) {
  const line = await run(name)
  if (line === undefined) {
    process.stderr.write(`${name} failed\n`)
    process.exitCode = 1
    continue
  }
  process.stdout.write(`${line}\n`)
  const { figures } = JSON.parse(line) as Result
  for (const [key, figure] of Object.entries(figures)) {
    process.stderr.write(rowOf(name, key, figure))
  }
}

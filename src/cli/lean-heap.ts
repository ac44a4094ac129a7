/**
 * V8 sizes its young generation by the machine's memory: on one of 16 GiB it holds 128 MiB of garbage before
 * it grows no more, and the old one grows to four times what lives. Strangers who have calls reset can fill
 * both. A bound on them costs a busy agent some percent of its calls, and is taken at a process's start only.
 */
const flags = ['--max-semi-space-size=8', '--heap-growing-percent=30']

/** What runs until it is stopped. */
const staying = ['server run', 'agent run', 'broker run']

/** What is to be run in place of a process of these arguments; undefined where it is right as it is. */
export function leanArgs(
  argv: readonly string[],
  execArgv: readonly string[],
  nodeOptions: string,
): string[] | undefined {
  const isSaid = /semi[-_]space|heap[-_]growing/.test([...execArgv, nodeOptions].join(' '))
  if (isSaid || !staying.includes(argv.slice(2, 4).join(' '))) return undefined
  return [...flags, ...execArgv, ...argv.slice(1)]
}

/**
 * Replaces the process by itself with a bounded heap where it is one that stays, unless it has such flags, ours or
 * the operator's. Its number, descriptors and environment stay.
 */
export function leanHeap(): void {
  const args = leanArgs(process.argv, process.execArgv, process.env['NODE_OPTIONS'] ?? '')
  if (args !== undefined) process.execve?.(process.execPath, [process.execPath, ...args])
}

/** What is taken at a process's start only, and how an operator says that he has another mind on it. */
const groups = [
  {
    /*
     * V8 sizes its young generation by the machine's memory: on one of 16 GiB it holds 128 MiB of garbage before
     * it grows no more, and the old one grows to four times what lives. Strangers who have calls reset can fill
     * both. A bound on them costs a busy agent some percent of its calls.
     */
    flags: ['--max-semi-space-size=8', '--heap-growing-percent=30'],
    said: /semi[-_]space|heap[-_]growing/,
  },
  // T23: no member of a document that names a prototype reaches one, in whatever library.
  { flags: ['--disable-proto=delete'], said: /disable[-_]proto/ },
  // T21: SIGUSR1, by which other daemons open their logs anew, would open Node's debugger to every user of the machine.
  { flags: ['--disable-sigusr1'], said: /disable[-_]sigusr1/ },
] as const

/** Whether this is to run until it is stopped, with keys, and for whoever calls. */
export function stays([, , ...words]: readonly string[]): boolean {
  const [first = '', second] = words
  return (
    first === 'forward-auth' || (['server', 'agent', 'broker'].includes(first) && second === 'run')
  )
}

/** What is to be run in place of a process of these arguments; undefined where it is right as it is. */
export function flaggedArgs(
  argv: readonly string[],
  execArgv: readonly string[],
  nodeOptions: string,
): string[] | undefined {
  if (!stays(argv)) return undefined
  const text = [...execArgv, nodeOptions].join(' ')
  const lacking = groups.flatMap(({ flags, said }) => (said.test(text) ? [] : flags))
  return lacking.length === 0 ? undefined : [...lacking, ...execArgv, ...argv.slice(1)]
}

/**
 * Replaces the process by itself under these flags where it is one that stays, but for those of which its operator has
 * said something. Its number, descriptors and environment stay.
 */
export function takeFlags(): void {
  const args = flaggedArgs(process.argv, process.execArgv, process.env['NODE_OPTIONS'] ?? '')
  if (args !== undefined) process.execve?.(process.execPath, [process.execPath, ...args])
}

import { join } from 'node:path'
import { Command } from 'commander'
import type { Child, OnRenew } from '../files/child.ts'
import { systemClock } from '../runtime/clock.ts'
import { onSignals } from '../runtime/signals.ts'
import { runTogether } from '../runtime/tasks.ts'
import { untilAborted } from '../runtime/until-aborted.ts'
import {
  choiceOf,
  fileNames,
  type IdentityOptions,
  parseSignal,
  withIdentityOptions,
} from './files-flags.ts'
import type { Io } from './io.ts'
import { problemNotes } from './problem-notes.ts'
import { endpointOf } from './workload.ts'

interface Options extends IdentityOptions {
  readonly onRenew: OnRenew
}

const passedOn = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const
/** A terminal sends these to the program too. */
const byTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

/** `countersign exec` */
export function exec(io: Io): Command {
  return withIdentityOptions(
    new Command('exec')
      .description('run a program with the SVID of this process in files of its own')
      .argument('<command...>', 'the program and its arguments, after --')
      .option(
        '--on-renew <how>',
        'restart it, send it a signal (HUP …), or none',
        parseOnRenew,
        'none',
      ),
  )
    .addHelpText(
      'after',
      `
The program finds the files by COUNTERSIGN_DIR, COUNTERSIGN_KEY_FILE, COUNTERSIGN_CERT_FILE,
COUNTERSIGN_BUNDLE_FILE and COUNTERSIGN_COMBINED_FILE; they are gone when it has ended. Its exit code is ours.

Example:
  countersign exec --on-renew HUP -- sh -c 'exec stunnel "$COUNTERSIGN_DIR/stunnel.conf"'`,
    )
    .action(async (command: string[], options: Options) => {
      const code = await run(io, command as [string, ...string[]], options)
      // The program's, which is none of ours to explain.
      process.exitCode = code
    })
}

async function run(io: Io, command: [string, ...string[]], options: Options): Promise<number> {
  const [{ Child }, { VersionedFolder }, { makePrivateFolder }, { checkNames }] = await Promise.all(
    [
      import('../files/child.ts'),
      import('../files/folder.ts'),
      import('../files/private-folder.ts'),
      import('../files/file-set.ts'),
    ],
  )
  const names = checkNames({ ...fileNames, jwts: options.jwt ?? [] })
  const onProblem = problemNotes(io)
  const choice = choiceOf(options)
  const endpoint = endpointOf(io, options)
  const dir = makePrivateFolder(io.env)
  const folder = await VersionedFolder.open(dir, { fileMode: 0o600 })
  const [{ keepFiles }, { openSources }] = await Promise.all([
    import('../files/keep.ts'),
    import('../files/sources.ts'),
  ])
  const sources = await openSources({ endpoint, names, signal: io.signal, onProblem })
  const ended = new AbortController()
  const first = Promise.withResolvers<void>()
  let child: Child | undefined
  let code = 0
  try {
    await runTogether(
      ended.signal,
      (until) =>
        keepFiles(
          {
            ...{ ...sources, names, choice, folder, clock: systemClock },
            renewal: async () => child?.renew(options.onRenew),
            onFiles: () => first.resolve(),
            onProblem,
          },
          until,
        ),
      async (until) => {
        await untilAborted(first.promise, AbortSignal.any([io.signal, until]))
        const release = onSignals(passedOn, (signal) => {
          if (!(process.stdin.isTTY && byTerminal.includes(signal))) child?.pass(signal)
        })
        io.leaveSignals()
        child = new Child(command, { ...io.env, ...environmentOf(dir) }, systemClock)
        code = await child.ended
        release()
        ended.abort(new DOMException('the program has ended', 'AbortError'))
      },
    )
  } finally {
    await sources.close()
    await folder.close()
  }
  return code
}

function environmentOf(dir: string): Record<string, string> {
  return {
    COUNTERSIGN_DIR: dir,
    COUNTERSIGN_KEY_FILE: join(dir, fileNames.key),
    COUNTERSIGN_CERT_FILE: join(dir, fileNames.cert),
    COUNTERSIGN_BUNDLE_FILE: join(dir, fileNames.bundle),
    COUNTERSIGN_COMBINED_FILE: join(dir, fileNames.combined),
  }
}

/** Throws `invalid` / `usage`. */
function parseOnRenew(text: string): OnRenew {
  return text === 'none' || text === 'restart' ? text : parseSignal(text)
}

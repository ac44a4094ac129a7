import { Command } from 'commander'
import type { Io } from './io.ts'
import { sayWhichValue } from './value-form.ts'
import { verbsOf } from './verbs.ts'
import { withFix } from './what-was-meant.ts'

/** The command, with all its verbs. Each of its errors says what to do. */
export function createProgram(io: Io, version: string): Command {
  const program = new Command('countersign')
    .description('workload identity: short-lived SVIDs instead of API keys')
    .version(version)
    .addHelpText(
      'after',
      `
Example:
  countersign dev                 a server and an agent on this machine
  countersign fetch x509          the identity of this process

Exit codes: 0 done, 1 failed, 64 usage, 69 unavailable, 75 try again, 77 denied, 78 config,
130 interrupted.`,
    )
  for (const verb of verbsOf(io, () => program)) program.addCommand(verb)
  for (const command of all(program)) {
    sayWhichValue(command)
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({
        writeOut: (text) => io.write(text),
        writeErr: (text) => io.note(text.trimEnd()),
        outputError: (text, write) => write(withFix(text, command)),
      })
  }
  return program
}

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)]
}

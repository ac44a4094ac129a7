import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { onSignals } from '../runtime/signals.ts'
import { outputOption } from './admin.ts'
import type { Io } from './io.ts'
import { readTextFile } from './item-status.ts'
import { launchBroker, loadBroker, readBrokerReport, sealForBroker } from './launch.ts'
import { type Column, type OutputFormat, printRows, relativeTime } from './output.ts'

interface RunOptions {
  readonly config: string
  readonly checkConfig?: boolean
}

const configFlag = '--config <path>'

/** `countersign broker run` */
export function brokerRun(io: Io): Command {
  return new Command('run')
    .description('call vendors for workloads, with keys that no workload holds')
    .requiredOption(
      configFlag,
      'a YAML or JSON file; read again, with the keys, at SIGHUP; a key, when its file changes',
    )
    .option('--check-config', 'read and check the configuration, and exit')
    .addHelpText('after', '\nExample:\n  countersign broker run --config broker.yaml')
    .action(async ({ config: file, checkConfig }: RunOptions) => {
      const config = await loadBroker(file)
      if (checkConfig === true) {
        io.write('the configuration is good\n')
        return
      }
      await launchBroker(config, io.signal, {
        env: io.env,
        readAgain: () => loadBroker(file),
        onReload: (listener) => onSignals(['SIGHUP'], listener),
      })
    })
}

type Row = Awaited<ReturnType<typeof readBrokerReport>>[number]

/** `countersign broker report` */
export function brokerReport(io: Io): Command {
  return new Command('report')
    .description('each vendor’s key: whose it is, how old, when it was last used')
    .requiredOption(configFlag, 'the configuration of the broker')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  countersign broker report --config broker.yaml')
    .action(async (options: { readonly config: string; readonly output: OutputFormat }) => {
      const now = systemClock.now()
      const columns: readonly Column<Row>[] = [
        { title: 'INTEGRATION', text: ({ id }) => id },
        { title: 'OWNER', text: ({ owner }) => owner },
        { title: 'STATE', text: ({ state }) => state },
        { title: 'SINCE', text: ({ since }) => relativeTime(since, now) },
        { title: 'KEY ENDS', text: ({ endsAt }) => relativeTime(endsAt, now) },
        { title: 'LAST USED', text: ({ lastUsed }) => relativeTime(lastUsed, now) },
        { title: 'KEY BEFORE USED', text: ({ previous }) => previousUse(previous, now) },
        { title: 'CALLS', text: ({ calls }) => String(calls) },
      ]
      const rows = await readBrokerReport(options.config, now)
      printRows(io, options.output, rows, columns, (row) => row)
    })
}

function previousUse(previous: Row['previous'], now: Date): string {
  return previous === undefined ? '-' : relativeTime(previous.lastUsed, now)
}

/** `countersign broker seal` */
export function brokerSeal(io: Io): Command {
  return new Command('seal')
    .description('make a key unreadable but for this broker and this integration')
    .requiredOption(configFlag, 'the configuration of the broker')
    .requiredOption('--integration <id>', 'whose key it is')
    .requiredOption('--secret-file <path>', 'the file that holds the key, - for standard input')
    .addHelpText(
      'after',
      `
Example:
  countersign broker seal --config broker.yaml --integration acme-crm --secret-file - > acme.sealed`,
    )
    .action(
      async (options: {
        readonly config: string
        readonly integration: string
        readonly secretFile: string
      }) => {
        const secret = await readTextFile(options.secretFile, 'secret-unreadable')
        io.write(await sealForBroker(options.config, options.integration, secret))
      },
    )
}

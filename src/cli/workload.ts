import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { CountersignError } from '../errors.ts'
import { type Endpoint, endpointVariable, resolveEndpoint } from '../workload-api/endpoint.ts'
import type { WorkloadApi } from '../workload-api/grpc.ts'
import { devSockets, outputOption } from './admin.ts'
import { requireSocket, whileOpen } from './connection.ts'
import type { Io } from './io.ts'
import type { OutputFormat } from './output.ts'

export interface SocketOptions {
  readonly socket?: string
}

export interface WorkloadOptions extends SocketOptions {
  readonly output: OutputFormat
}

/** The options of every verb that asks an agent as a workload does. */
export function withWorkloadOptions(command: Command): Command {
  return withSocketOption(command).addOption(outputOption())
}

export function withSocketOption(command: Command): Command {
  return command.addOption(
    new Option('--socket <endpoint>', `the agent's socket, as unix:///path`).env(endpointVariable),
  )
}

/** Opens the Workload API for the time of `work`. */
export async function withWorkloadApi<T>(
  io: Io,
  options: WorkloadOptions,
  work: (api: WorkloadApi) => Promise<T>,
): Promise<T> {
  const endpoint = resolveHere(io, options.socket)
  requireAgent(endpoint)
  const { openWorkloadApi } = await import('../workload-api/grpc.ts')
  return whileOpen(io, openWorkloadApi(endpoint), work)
}

/** For a source, which waits for an agent that is not there yet. Throws `invalid` / `endpoint-…`. */
export function endpointOf(io: Io, { socket }: SocketOptions): string {
  resolveHere(io, socket)
  return socket ?? io.env[endpointVariable] ?? ''
}

/** Throws `unavailable` / `agent-socket-missing`, or `forbidden` / `socket-forbidden`. */
function requireAgent(endpoint: Endpoint): void {
  if (endpoint.kind !== 'unix') return
  const fix = 'start one with "countersign agent run", or name its socket with --socket'
  requireSocket(endpoint.path, 'agent', fix)
}

/** Nothing is assumed silently, but where `countersign dev` runs in this folder its socket is named. */
function resolveHere(io: Io, given: string | undefined): Endpoint {
  try {
    return resolveEndpoint(given, io.env)
  } catch (error) {
    const { agent } = devSockets(io.env)
    if (!(error instanceof CountersignError && error.reason === 'endpoint-missing')) throw error
    if (!existsSync(agent)) throw error
    throw new CountersignError('invalid', error.message, {
      reason: error.reason,
      fix: `export ${endpointVariable}=unix://${agent}`,
    })
  }
}

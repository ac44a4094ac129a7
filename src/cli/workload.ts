import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { CountersignError } from '../errors.ts'
import {
  type Endpoint,
  endpointVariable,
  parseEndpoint,
  resolveEndpoint,
} from '../workload-api/endpoint.ts'
import type { WorkloadApi } from '../workload-api/grpc.ts'
import { devSockets, outputOption } from './admin.ts'
import { requireSocket, whileOpen } from './connection.ts'
import type { Io } from './io.ts'
import type { OutputFormat } from './output.ts'
import { formed, orEmpty } from './value-form.ts'

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
    new Option('--socket <endpoint>', `the agent's socket, as unix:///path`)
      .argParser(formed(orEmpty(parseEndpoint)))
      .env(endpointVariable),
  )
}

/** Opens the Workload API for the time of `work`, which waits for its answers. */
export async function withWorkloadApi<T>(
  io: Io,
  options: WorkloadOptions,
  work: (api: WorkloadApi) => Promise<T>,
): Promise<T> {
  return io.progress('waiting for the agent', followWorkloadApi(io, options, work))
}

/** The same for work that goes on. */
export async function followWorkloadApi<T>(
  io: Io,
  options: WorkloadOptions,
  work: (api: WorkloadApi) => Promise<T>,
): Promise<T> {
  const endpoint = resolveHere(io, options.socket)
  const listener = {
    who: 'agent',
    at: endpoint.kind === 'unix' ? endpoint.path : `${endpoint.host}:${endpoint.port}`,
    fix: 'start one with "countersign agent run", or name its socket with --socket',
  } as const
  if (endpoint.kind === 'unix') requireSocket(listener)
  const { openWorkloadApi } = await import('../workload-api/grpc.ts')
  return whileOpen(io, listener, openWorkloadApi(endpoint), work)
}

/** For a source, which waits for an agent that is not there yet. Throws `invalid` / `endpoint-…`. */
export function endpointOf(io: Io, { socket }: SocketOptions): string {
  resolveHere(io, socket)
  return socket ?? io.env[endpointVariable] ?? ''
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

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ClientReadableStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'
import { unixAttestor } from '../../../../agent/workload-attestation/unix.ts'
import {
  openWorkloadEndpoint,
  type WorkloadEndpoint,
  type WorkloadEndpointDeps,
} from '../../../../agent/workload-endpoint/endpoint.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import type { SpiffeWorkloadAPIClient } from '../../../../src/rpc/gen/SpiffeWorkloadAPI.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { fromStatus } from '../../../../src/rpc/status.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { HandUpdates, type Signing, signing, trustDomain } from './identities.ts'

export interface Rig {
  readonly endpoint: WorkloadEndpoint
  readonly path: string
  readonly updates: HandUpdates
  readonly home: Signing
  /** The entry, audience and signal of each token that was asked for. */
  readonly asked: { entry: Entry; audience: readonly string[] }[]
}

/** An endpoint on a socket of its own, closed after the test. */
export async function startEndpoint(
  deps: Partial<WorkloadEndpointDeps> & {
    readonly home?: Signing
    readonly socketPath?: string
  } = {},
): Promise<Rig> {
  const path = deps.socketPath ?? join(temporaryFolder(), 's.sock')
  const home = deps.home ?? signing(trustDomain)
  const updates = new HandUpdates(home.bundle)
  const asked: Rig['asked'] = []
  const endpoint = await openWorkloadEndpoint(path, {
    updates,
    jwt: {
      async fetch(entry, audience) {
        asked.push({ entry, audience })
        const expiresAt = new Date(Date.now() + 300_000)
        const token = await home.sign({
          sub: entry.spiffeId,
          aud: [...audience],
          exp: Math.floor(expiresAt.getTime() / 1000),
        })
        return { token, expiresAt }
      },
    },
    bundles: { bundleOf: (td) => (td === trustDomain ? home.bundle : undefined) },
    trustDomain,
    unavailable: () => undefined,
    attestors: [unixAttestor()],
    clock: systemClock,
    log: silentLog,
    ...deps,
  })
  onTestFinished(() => endpoint.close())
  return { endpoint, path, updates, home, asked }
}

/** Everyone may pass through it, so that other users' processes reach the socket. */
export function temporaryFolder(): string {
  const folder = mkdtempSync('/tmp/csgn-')
  chmodSync(folder, 0o755)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const Client = makeGenericClientConstructor(
  serviceDefinition('SpiffeWorkloadAPI'),
  'SpiffeWorkloadAPI',
)

export function dial(path: string): SpiffeWorkloadAPIClient {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  }) as unknown as SpiffeWorkloadAPIClient
  onTestFinished(() => client.close())
  return client
}

export function withHeader(...values: string[]): Metadata {
  const metadata = new Metadata()
  for (const value of values) metadata.add('workload.spiffe.io', value)
  return metadata
}

export const header: Metadata = withHeader('true')

/** The next message of a stream; throws what ends it, as one of our errors. */
export function nextMessage<T>(stream: ClientReadableStream<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const data = (message: T): void => {
      stream.pause()
      off()
      resolve(message)
    }
    const error = (failure: ServiceError): void => {
      off()
      reject(fromStatus(failure))
    }
    const end = (): void => {
      off()
      reject(new Error('the stream has ended'))
    }
    const off = (): void => {
      stream.off('data', data).off('error', error).off('end', end)
      stream.on('error', () => {})
    }
    stream.on('data', data).on('error', error).on('end', end)
    stream.resume()
  })
}

/** A unary call as a promise; throws one of our errors. */
export function answer<T>(
  call: (done: (error: ServiceError | null, value?: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error !== null) reject(fromStatus(error))
      else resolve(value as T)
    })
  })
}

/** `reason`, for those who only want to know why. */
export async function reasonOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as { reason?: string }).reason ?? String(error)
  }
  return 'ok'
}

/** Waits until it is true, a turn of the loop at a time. */
export async function until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > end) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const ownUid: number = process.getuid?.() ?? 0

import { createInterface } from 'node:readline'
import { spawnWorkload } from '../interop/probe.ts'
import type { Meeting } from './party.ts'

/*
 * The contract of a program that is several services. It finds the agent by SPIFFE_ENDPOINT_SOCKET,
 * prints one JSON object a line, and ends with its standard input.
 *
 *   arguments    the IDs of its services, each of which shows the SVID of its own ID alone
 *   {service, listening}   for each: mutual TLS for any ID of its own trust domain; reads a line,
 *                answers `ID AUTHORITY` of the peer as it sees it, hangs up. AUTHORITY is the key
 *                identifier, in hex, of what signed the peer's certificate
 *   {refused}    for each connection that came to nothing there
 *   `N FROM ADDRESS ID`, a line of standard input: one new connection of the service FROM to a server
 *                that has to be ID, beside all others: {n, …Meeting} or {n, error}
 */

export interface ProgramOptions {
  readonly language: string
  readonly command: readonly string[]
  readonly ids: readonly string[]
}

/** A service as the others find it. */
export interface Service {
  readonly id: string
  readonly language: string
  readonly address: string
  /** One new connection of this service. Rejects with why it came to nothing. */
  meet(address: string, expected: string): Promise<Meeting>
}

export interface Fleet {
  readonly services: readonly Service[]
  /** How often each reason was given to refuse a connection. */
  readonly refusals: ReadonlyMap<string, number>
  close(): Promise<void>
}

interface Said {
  readonly service?: string
  readonly listening?: string
  readonly refused?: string
  readonly n?: number
  readonly error?: string
}

/** Longer than any of the programs waits for a peer. */
const answerMs = 30_000

/** Starts the programs, and resolves when every service listens. Rejects where one does not come to that. */
export async function startFleet(
  programs: readonly ProgramOptions[],
  socket: string,
): Promise<Fleet> {
  const refusals = new Map<string, number>()
  const onRefused = (reason: string): void =>
    void refusals.set(reason, (refusals.get(reason) ?? 0) + 1)
  const running = programs.map((one) => startProgram(one, socket, onRefused))
  const close = async (): Promise<void> => {
    await Promise.all(running.map((one) => one.close()))
  }
  try {
    const services = await Promise.all(running.map(({ ready }) => ready))
    return { services: services.flat(), refusals, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** So that the same reason is one. */
function withoutAddresses(reason: string): string {
  return reason.replace(/\d+(\.\d+){3}:\d+/g, 'ADDRESS')
}

function startProgram(
  { language, command, ids }: ProgramOptions,
  socket: string,
  onRefused: (reason: string) => void,
) {
  const { child, complaints } = spawnWorkload([...command, ...ids], socket)
  const questions = openQuestions(language, (line) => child.stdin.write(`${line}\n`))
  const services: Service[] = []
  const ready = Promise.withResolvers<readonly Service[]>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Said
    questions.hear(said)
    if (said.refused !== undefined) onRefused(`${language}: ${withoutAddresses(said.refused)}`)
    if (said.service === undefined || said.listening === undefined) return
    const { service: id, listening: address } = said
    services.push({ id, language, address, meet: (...to) => questions.ask(id, ...to) })
    if (services.length === ids.length) ready.resolve(services)
  })
  const ended = new Promise<void>((resolve) => {
    const over = (why: unknown): void => {
      const failure = new Error(`the services in ${language} ended with ${why}:\n${complaints()}`)
      ready.reject(failure)
      questions.fail(failure)
      resolve()
    }
    child.on('error', over)
    child.on('close', over)
  })
  return {
    ready: ready.promise,
    async close(): Promise<void> {
      child.stdin.end()
      const kill = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(kill)
    },
  }
}

/** The connections that a program was asked for and has not told the end of. */
function openQuestions(language: string, send: (line: string) => void) {
  const open = new Map<number, PromiseWithResolvers<Meeting>>()
  let asked = 0
  return {
    ask(from: string, address: string, expected: string): Promise<Meeting> {
      const n = ++asked
      const question = Promise.withResolvers<Meeting>()
      open.set(n, question)
      send(`${n} ${from} ${address} ${expected}`)
      const late = setTimeout(
        () => question.reject(new Error(`no answer from ${language}`)),
        answerMs,
      )
      return question.promise.finally(() => {
        clearTimeout(late)
        open.delete(n)
      })
    },
    hear({ n, error, ...meeting }: Said): void {
      const question = n === undefined ? undefined : open.get(n)
      if (error === undefined) question?.resolve(meeting as unknown as Meeting)
      else question?.reject(new Error(error))
    },
    fail(failure: Error): void {
      for (const { reject } of open.values()) reject(failure)
    },
  }
}

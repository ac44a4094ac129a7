import { rmSync } from 'node:fs'
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { serviceDefinition } from '../../src/rpc/services.ts'

export type Rpc = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTSVID' | 'FetchJWTBundles'

/** What a call gets: a message (a stream stays open after it), or the end of it with this status. */
export type Answer = { readonly say: object } | { readonly end: status }

export interface Call {
  readonly rpc: string
  readonly atMs: number
  readonly header: string | undefined
  readonly request: object
}

type Stream = ServerWritableStream<object, object>

/** A Workload API that says what a case tells it to, be it right or wrong, and writes down who asked what. */
export class ScriptedWorkloadApi {
  readonly calls: Call[] = []
  readonly #server = new Server()
  readonly #answers = new Map<Rpc, Answer>()
  /** For the next calls, before what is said to all. */
  readonly #first = new Map<Rpc, Answer[]>()
  readonly #streams = new Map<Rpc, Set<Stream>>()

  private constructor() {
    const stream = (rpc: Rpc) => (call: Stream) => this.#open(rpc, call)
    const refused = (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>): void => {
      this.#record('ValidateJWTSVID', call)
      done({ code: status.UNIMPLEMENTED })
    }
    this.#server.addService(serviceDefinition('SpiffeWorkloadAPI') as never, {
      FetchX509SVID: stream('FetchX509SVID'),
      FetchX509Bundles: stream('FetchX509Bundles'),
      FetchJWTBundles: stream('FetchJWTBundles'),
      FetchJWTSVID: (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => {
        this.#record('FetchJWTSVID', call)
        const answer = this.#answerOf('FetchJWTSVID')
        if ('say' in answer) done(null, answer.say)
        else done({ code: answer.end })
      },
      ValidateJWTSVID: refused,
      FetchWITSVID: refused,
      FetchWITBundles: refused,
    })
  }

  /** Listens at `unix:///path` or `127.0.0.1:0`; answers the port with the latter. */
  static async listen(address: string): Promise<{ api: ScriptedWorkloadApi; port: number }> {
    const api = new ScriptedWorkloadApi()
    const port = await new Promise<number>((resolve, reject) =>
      api.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    return { api, port }
  }

  /** From now on, and on the streams that are open. */
  set(rpc: Rpc, answer: Answer): void {
    this.#answers.set(rpc, answer)
    for (const call of this.#streams.get(rpc) ?? []) this.#send(rpc, call, answer)
  }

  /** To the next calls, one each. */
  first(rpc: Rpc, ...answers: readonly Answer[]): void {
    this.#first.set(rpc, [...answers])
  }

  /** Ends the streams that are open; what calls get stays as it is. */
  hangUp(rpc: Rpc, code: status): void {
    for (const call of this.#streams.get(rpc) ?? []) this.#send(rpc, call, { end: code })
  }

  callsOf(rpc: Rpc): readonly Call[] {
    return this.calls.filter((call) => call.rpc === rpc)
  }

  close(path: string): void {
    this.#server.forceShutdown()
    rmSync(path, { force: true })
  }

  #open(rpc: Rpc, call: Stream): void {
    this.#record(rpc, call)
    const open = this.#streams.get(rpc) ?? new Set()
    this.#streams.set(rpc, open.add(call))
    call.on('cancelled', () => open.delete(call))
    this.#send(rpc, call, this.#answerOf(rpc))
  }

  #answerOf(rpc: Rpc): Answer {
    return this.#first.get(rpc)?.shift() ?? this.#answers.get(rpc) ?? { end: status.UNAVAILABLE }
  }

  #send(rpc: Rpc, call: Stream, answer: Answer): void {
    if ('say' in answer) {
      call.write(answer.say)
      return
    }
    this.#streams.get(rpc)?.delete(call)
    if (answer.end === status.OK) call.end()
    else call.emit('error', { code: answer.end, details: 'as the case wants it' })
  }

  #record(rpc: string, call: ServerUnaryCall<object, object> | Stream): void {
    const header = call.metadata.get('workload.spiffe.io')[0]
    this.calls.push({
      rpc,
      atMs: performance.now(),
      header: header?.toString(),
      request: call.request,
    })
  }
}

import type { WorkloadRpc } from '../../src/testing/script.ts'
import { type OpenStream, StatusError, StreamServer } from '../../src/testing/stream-server.ts'

/** What a call gets: a message (a stream stays open after it), or the end of it with this status. */
export type Answer = { readonly say: object } | { readonly end: number }

export interface Call {
  readonly rpc: string
  readonly atMs: number
  readonly header: string | undefined
  readonly request: unknown
}

const unavailable: Answer = { end: 14 }

/**
 * A Workload API that says what a case tells it to, be it right or wrong, and writes down who asked
 * what. Nothing in it knows what would be right.
 */
export class ScriptedWorkloadApi {
  readonly calls: Call[] = []
  readonly server: StreamServer
  readonly #answers = new Map<string, Answer>()
  /** For the next calls, before what is said to all. */
  readonly #first = new Map<string, Answer[]>()
  readonly #streams = new Map<OpenStream, string>()

  constructor(transport: 'unix' | 'tcp' = 'unix') {
    this.server = new StreamServer(transport, 'SpiffeWorkloadAPI', {
      admit: (rpc, metadata, request) => {
        const header = metadata.get('workload.spiffe.io')[0]?.toString()
        this.calls.push({ rpc, atMs: performance.now(), header, request })
      },
      stream: (rpc, stream) => {
        this.#streams.set(stream, rpc)
        send(stream, this.#answerOf(rpc))
        return () => void this.#streams.delete(stream)
      },
      unary: async (rpc) => {
        const answer = this.#answerOf(rpc)
        if ('end' in answer) throw new StatusError({ code: answer.end })
        return answer.say
      },
    })
  }

  /** From now on, and on the streams that are open. */
  set(rpc: WorkloadRpc, answer: Answer): void {
    this.#answers.set(rpc, answer)
    this.#tell(rpc, answer)
  }

  /** To the next calls, one each. */
  first(rpc: WorkloadRpc, ...answers: readonly Answer[]): void {
    this.#first.set(rpc, [...answers])
  }

  /** Ends the streams that are open; what calls get stays as it is. */
  hangUp(rpc: WorkloadRpc, code: number): void {
    this.#tell(rpc, { end: code })
  }

  callsOf(rpc: WorkloadRpc): readonly Call[] {
    return this.calls.filter((call) => call.rpc === rpc)
  }

  #answerOf(rpc: string): Answer {
    return this.#first.get(rpc)?.shift() ?? this.#answers.get(rpc) ?? unavailable
  }

  #tell(rpc: string, answer: Answer): void {
    for (const [stream, ofRpc] of this.#streams) if (ofRpc === rpc) send(stream, answer)
  }
}

function send(stream: OpenStream, answer: Answer): void {
  if ('say' in answer) stream.send(answer.say)
  else stream.end({ code: answer.end })
}

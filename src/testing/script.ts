/** How a call ends: a status code of gRPC, 0 to 16, and its text. */
export interface CallStatus {
  readonly code: number
  readonly message?: string
}

/** Where a server listens: a socket in a folder of its own, or a port of 127.0.0.1. */
export type Transport = 'unix' | 'tcp'

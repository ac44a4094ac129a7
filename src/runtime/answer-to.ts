import type { ClientRequest, IncomingMessage } from 'node:http'

/**
 * The answer to a request. Rejects with what is in the way, and where the request has ended without one: a server that goes
 * over to a protocol which nobody has asked for gives none, and Node tells neither an error of it nor, later, an abort.
 */
export function answerTo(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Heard for as long as the request lives: an error that nobody hears ends the process.
    sent.on('error', reject)
    sent.once('response', resolve)
    sent.once('close', () =>
      reject(new Error('the server has ended the request without an answer')),
    )
  })
}

// A workload that says what it can use, as a line of JSON: now, and whenever a line comes in.
import { createInterface } from 'node:readline'
import { JwtSource, X509Source } from 'countersign'
import { asCountersignError } from '../../src/errors.ts'

const x509 = await X509Source.open({ keepAlive: true })
const jwt = await JwtSource.open()

async function outcome(use: () => unknown): Promise<string> {
  try {
    await use()
    return 'good'
  } catch (error) {
    return asCountersignError(error).reason
  }
}

async function say(): Promise<void> {
  const said = {
    state: x509.state,
    x509: await outcome(() => x509.svid()),
    jwt: await outcome(() => jwt.fetchJwtSvid(['somebody'])),
  }
  process.stdout.write(`${JSON.stringify(said)}\n`)
}

await say()
for await (const _ of createInterface(process.stdin)) await say()

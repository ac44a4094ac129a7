// Which ports the demo takes: those that its files name, and another in the place of one that is somebody else's.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'

/** Of the server, the issuer, the broker and the vendor. */
const named = [18081, 18443, 18444, 18445]

/** Puts the ports that are free into a text. */
export type Placed = (text: string) => string

export async function freePorts(): Promise<Placed> {
  const held = await Promise.all(named.map((port) => listen(port).catch(() => listen(0))))
  const ports = held.map((one) => (one.address() as AddressInfo).port)
  await Promise.all(held.map((one) => new Promise((resolve) => one.close(resolve))))
  return (text) =>
    named.reduce((so, port, at) => so.replaceAll(String(port), String(ports[at])), text)
}

/** The same in all configuration and policies of a folder. */
export function placeIn(folder: string, placed: Placed): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    if (!/\.(yaml|cedar)$/.test(name) || !statSync(path).isFile()) continue
    writeFileSync(path, placed(readFileSync(path, 'utf8')))
  }
}

function listen(port: number): Promise<Server> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

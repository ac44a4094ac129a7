import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { parse, stringify } from 'yaml'
import { loadAgentConfig } from '../../agent/config.ts'
import { loadBrokerConfig } from '../../server/broker/config.ts'
import { loadServerConfig } from '../../server/config.ts'
import { ruleFileSchema } from '../../server/oauth/federated/rule-file.ts'
import { readFederated } from '../../server/oauth/federated/settings.ts'
import { foreignClientFileSchema, readForeignClients } from '../../server/oauth/foreign-clients.ts'
import { CountersignError } from '../../src/errors.ts'
import { readForwardAuth } from '../../src/forward-auth/settings.ts'
import { readConfigFile } from '../../src/runtime/config-file.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { editedJson, jsonEdits, jsonText, jsonTree } from '../support/json-tree.ts'
import { editedText } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'
import { configSamples } from './config-samples.ts'
import type { Parser } from './target.ts'

const trustDomain = TrustDomain.parse('example.org')
const own = { issuer: 'https://as.example.org', trustDomain }
const now = new Date('2026-06-01T12:00:00Z')
const said = (file: string) => ({ file, flags: {}, env: {} })

const readers: Readonly<Record<keyof typeof configSamples, (file: string) => unknown>> = {
  server: (file) => loadServerConfig(said(file)),
  agent: (file) => loadAgentConfig(said(file)),
  broker: (file) => loadBrokerConfig(file, now),
  forwardAuth: readForwardAuth,
  rules: (file) => readFederated(readConfigFile(file, ruleFileSchema).federation, own),
  clients: (file) => {
    const { foreign_clients: clients } = readConfigFile(file, foreignClientFileSchema)
    return readForeignClients(clients, trustDomain)
  },
}
const kinds = Object.keys(readers) as readonly (keyof typeof configSamples)[]

const texts = [
  ...['"spiffe://example.org/a"', '"spiffe://other.example/a"', '"example.org"', '"/a"', '"a"'],
  ...[
    '"https://a.example"',
    '"https://a.example/"',
    '"http://a.example"',
    '"https://u:p@a.example"',
  ],
  ...['"127.0.0.1:1"', '":1"', '"10.0.0.0/8"', '"10.0.0.1/8"', '"5m"', '"-5m"', '"1e3h"', '"10/s"'],
  ...['"2026-06-01"', '"2026-06-01T00:00:00Z"', '"a:b"', '"*"', '"/a/**"', '"unix:/a"', '86400'],
]
const pieces = [
  ...['- ', ': ', '\n', '  ', '#', '&a ', '*a', '!!set ', '!!binary ', '!x ', '|', '>', '? '],
  ...['%YAML 1.1\n---\n', '---\n', '...', '<<: *a', '"', "'", '{', '}', '[', ']', ',', '~', '\t'],
  ...[
    '\ufeff',
    '\u0085',
    '\0',
    '\\x',
    'yes',
    '0o7',
    '.nan',
    '[a]: ',
    '__proto__: ',
    '['.repeat(300),
  ],
]

/** Configurations and the files that they name: whatever is in them, an operator is told what is wrong, and where. */
export async function configParser(): Promise<Parser> {
  const folder = mkdtempSync(join(tmpdir(), 'cs-fuzz-'))
  const path = join(folder, 'config.yaml')
  const read = (kind: (typeof kinds)[number], text: string | Uint8Array): unknown => {
    writeFileSync(path, text)
    return readers[kind](path)
  }
  const written = fc.constantFrom(...kinds).chain((kind) => {
    const tree = jsonTree(configSamples[kind])
    const edits = jsonEdits(keysIn(configSamples[kind]), texts)
    const json = fc.oneof(
      { weight: 1, arbitrary: fc.constant(jsonText(tree)) },
      { weight: 6, arbitrary: edits.map((some) => jsonText(editedJson(tree, some))) },
    )
    const yaml = fc.constant(stringify(configSamples[kind]))
    return fc
      .oneof(json, editedText(yaml, pieces), editedText(yaml, pieces))
      .map((text) => `${kind}\n${text}`)
  })
  return {
    inputs: withTextBytes(written),
    close: () => rmSync(folder, { recursive: true }),
    take(input) {
      const end = input.indexOf(0x0a)
      const name = Buffer.from(input.subarray(0, Math.max(end, 0))).toString()
      const kind = kinds.find((one) => one === name) ?? 'server'
      const text = input.subarray(end + 1)
      try {
        const settings = read(kind, text)
        const again = read(kind, JSON.stringify(parse(Buffer.from(text).toString())))
        if (!isDeepStrictEqual(again, settings)) throw new Error('other settings in JSON')
      } catch (error) {
        if (error instanceof CountersignError) checkSaid(error, path)
        throw error
      }
    },
  }
}

/** The reason, the file where it is about a place in it, and what to do. */
function checkSaid({ reason, message, fix = '' }: CountersignError, path: string): void {
  const hasPlace = /^config-(?:key|value|syntax|unreadable)$/.test(reason)
  if (!reason.startsWith('config-') || fix === '' || (hasPlace && !message.includes(path))) {
    throw new Error(`${reason}: ${message} (${fix})`)
  }
}

function keysIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysIn)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inside]) => [key, ...keysIn(inside)])
}

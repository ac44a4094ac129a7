import { describe, expect, test } from 'vitest'
import type { WorkloadUpdate } from '../../../../agent/cache/cache.ts'
import { hearChange, sayChange } from '../../../../agent/sds/delta.ts'
import { secretType } from '../../../../agent/sds/messages.ts'
import { defaultSdsConfig } from '../../../../agent/sds/names.ts'
import { secretsBy } from '../../../../agent/sds/secrets.ts'
import { newSession } from '../../../../agent/sds/session.ts'
import { hearState, sayState } from '../../../../agent/sds/state-of-the-world.ts'
import type { DeltaDiscoveryRequest$Input } from '../../../../src/rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import type { DiscoveryRequest$Input } from '../../../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { trustDomain } from '../workload-endpoint/identities.ts'
import { bundleOf, dbId, friendHome, home, readSecret, updateOf, webId } from './samples.ts'

const { StreamSecrets, DeltaSecrets } = serviceDefinition(
  'envoy.service.secret.v3.SecretDiscoveryService',
)
const secretsOf = secretsBy(defaultSdsConfig)
const nack = { code: 13, message: 'not to my taste' }

/** A stream of the state-of-the-world protocol, its messages through the wire's encoding. */
function stateStream(first: WorkloadUpdate) {
  let session = newSession
  let update = first
  const say = () => {
    const said = sayState(session, secretsOf(update))
    if (said === undefined) return undefined
    session = said.session
    const response = StreamSecrets.responseDeserialize(
      StreamSecrets.responseSerialize(said.response),
    )
    expect(response.type_url).toBe(secretType)
    return {
      nonce: response.nonce,
      version: response.version_info,
      names: response.resources.map((one) => readSecret(one.value).name),
      errors: response.resource_errors.map((one) => [
        one.resource_name?.name,
        one.error_detail?.code,
      ]),
    }
  }
  return {
    hear(names: readonly string[], more: DiscoveryRequest$Input = {}) {
      const bytes = StreamSecrets.requestSerialize({ resource_names: [...names], ...more })
      const heard = hearState(session, StreamSecrets.requestDeserialize(bytes))
      session = heard.session
      return heard.refusal ?? say()
    },
    push(next: WorkloadUpdate) {
      update = next
      return say()
    },
  }
}

/** The same of the incremental protocol. */
function deltaStream(first: WorkloadUpdate) {
  let session = newSession
  let update = first
  const say = () => {
    const said = sayChange(session, secretsOf(update))
    if (said === undefined) return undefined
    session = said.session
    const response = DeltaSecrets.responseDeserialize(DeltaSecrets.responseSerialize(said.response))
    expect(response.type_url).toBe(secretType)
    return {
      nonce: response.nonce,
      versions: Object.fromEntries(response.resources.map((one) => [one.name, one.version])),
      names: response.resources.map((one) => {
        expect(readSecret(one.resource?.value ?? Buffer.alloc(0)).name).toBe(one.name)
        return one.name
      }),
      removed: response.removed_resources,
      errors: response.resource_errors.map((one) => [
        one.resource_name?.name,
        one.error_detail?.code,
      ]),
    }
  }
  return {
    hear(request: DeltaDiscoveryRequest$Input) {
      const bytes = DeltaSecrets.requestSerialize(request)
      const heard = hearChange(session, DeltaSecrets.requestDeserialize(bytes))
      session = heard.session
      return heard.refusal ?? say()
    },
    push(next: WorkloadUpdate) {
      update = next
      return say()
    },
  }
}

const web1 = updateOf({ web: '1' })
const web2 = updateOf({ web: '2' })
const twoCas = bundleOf(trustDomain, 'ca 1', 'ca 2')
const notFound = 5

describe('state of the world', () => {
  test('answers the first request, an ACK with silence, and each change once', () => {
    const stream = stateStream(web1)
    const first = stream.hear(['default'])
    expect(first).toMatchObject({ nonce: '1', names: ['default'], errors: [] })
    expect(stream.hear(['default'], ackOf(first))).toBeUndefined()
    expect(stream.push(updateOf({ web: '1', bundle: twoCas }))).toBeUndefined()
    const second = stream.push(web2)
    expect(second).toMatchObject({ nonce: '2', names: ['default'] })
    expect(stream.push(web2)).toBeUndefined()
  })

  test('has one version for the same content on every stream', () => {
    const first = stateStream(web1).hear(['default', 'ROOTCA'])
    const again = stateStream(web1).hear(['ROOTCA', 'default'], { version_info: 'older' })
    const other = stateStream(web2).hear(['default', 'ROOTCA'])
    expect(versionIn(again)).toBe(versionIn(first))
    expect(versionIn(other)).not.toBe(versionIn(first))
  })

  test('a refused response is not sent again before it changes', () => {
    const stream = stateStream(web1)
    stream.hear(['default'])
    expect(stream.hear(['default'], { response_nonce: '1', error_detail: nack })).toBe(nack.message)
    expect(stream.push(web1)).toBeUndefined()
    expect(stream.push(web2)).toMatchObject({ nonce: '2', names: ['default'] })
  })

  test('a request that answers to an older response is left aside', () => {
    const stream = stateStream(web1)
    stream.hear(['default'])
    stream.push(web2)
    expect(stream.hear(['default', 'ROOTCA'], { response_nonce: '1' })).toBeUndefined()
    expect(stream.hear(['default', 'ROOTCA'], { response_nonce: '1', error_detail: nack })).toBe(
      undefined,
    )
    expect(stream.push(web2)).toBeUndefined()
    expect(stream.hear(['default', 'ROOTCA'], { response_nonce: '2' })).toMatchObject({
      nonce: '3',
      names: ['default', 'ROOTCA'],
    })
  })

  test('a new stream is answered whatever nonce and version it begins with', () => {
    const stream = stateStream(web1)
    const { version } = stateStream(web1).hear(['default']) as { version: string }
    expect(stream.hear(['default'], { response_nonce: '77', version_info: version })).toMatchObject(
      { nonce: '1', names: ['default'] },
    )
  })

  test('more names are answered at once, fewer with silence, and the same again anew', () => {
    const stream = stateStream(web1)
    stream.hear(['default'])
    expect(stream.hear(['default', 'ROOTCA'], { response_nonce: '1' })).toMatchObject({
      nonce: '2',
      names: ['default', 'ROOTCA'],
    })
    expect(stream.hear(['ROOTCA'], { response_nonce: '2' })).toBeUndefined()
    expect(stream.push(web2)).toBeUndefined()
    expect(stream.hear(['ROOTCA', 'default'], { response_nonce: '2' })).toMatchObject({
      nonce: '3',
      names: ['ROOTCA', 'default'],
    })
  })

  test('an unknown name answers for itself, once, and does not spoil the rest', () => {
    const stream = stateStream(web1)
    expect(stream.hear(['default', 'nonsense', dbId])).toMatchObject({
      names: ['default'],
      errors: [
        ['nonsense', notFound],
        [dbId, notFound],
      ],
    })
    expect(stream.hear(['default', 'nonsense', dbId], { response_nonce: '1' })).toBeUndefined()
    expect(stream.push(updateOf({ web: '1', db: '1' }))).toMatchObject({
      names: ['default', dbId],
      errors: [['nonsense', notFound]],
    })
  })

  test('what is taken away is told as not there', () => {
    const stream = stateStream(updateOf({ web: '1', db: '1' }))
    stream.hear([webId, dbId, friendHome])
    expect(stream.push(web1)).toMatchObject({
      names: [webId, friendHome],
      errors: [[dbId, notFound]],
    })
    expect(stream.push(updateOf({ web: '1', federated: [] }))).toMatchObject({
      names: [webId],
      errors: [
        [dbId, notFound],
        [friendHome, notFound],
      ],
    })
    expect(stream.push(updateOf({ web: '1', federated: [] }))).toBeUndefined()
  })

  test('what is to come is waited for without a word', () => {
    const stream = stateStream(updateOf({ web: '' }))
    expect(stream.hear(['default'])).toBeUndefined()
    expect(stream.hear(['default', 'ROOTCA'])).toMatchObject({ nonce: '1', names: ['ROOTCA'] })
    expect(stream.push(web1)).toMatchObject({ nonce: '2', names: ['default', 'ROOTCA'] })
  })

  test('no name asks for everything; none after names asks for nothing', () => {
    const all = stateStream(updateOf({ web: '1', db: '1' }))
    expect(all.hear([])).toMatchObject({ names: [webId, dbId, home, friendHome] })
    expect(all.hear([], { response_nonce: '1' })).toBeUndefined()
    expect(all.push(web1)).toMatchObject({ names: [webId, home, friendHome] })
    expect(all.push(web1)).toBeUndefined()
    expect(all.push(updateOf({ web: '1', db: '2' }))).toMatchObject({
      names: [webId, dbId, home, friendHome],
    })
    const named = stateStream(web1)
    named.hear(['default'])
    expect(named.hear([], { response_nonce: '1' })).toBeUndefined()
    expect(named.push(web2)).toBeUndefined()
    const star = stateStream(web1)
    expect(star.hear(['*', 'default'])).toMatchObject({
      names: ['default', webId, home, friendHome],
    })
  })
})

describe('incremental', () => {
  test('sends what is asked for, and later only what has changed', () => {
    const stream = deltaStream(web1)
    expect(stream.hear({ resource_names_subscribe: ['default', 'ROOTCA'] })).toMatchObject({
      nonce: '1',
      names: ['default', 'ROOTCA'],
      removed: [],
    })
    expect(stream.hear({ response_nonce: '1' })).toBeUndefined()
    expect(stream.push(web2)).toMatchObject({ nonce: '2', names: ['default'] })
    expect(stream.push(updateOf({ web: '2', bundle: twoCas }))).toMatchObject({
      nonce: '3',
      names: ['ROOTCA'],
    })
  })

  test('what is taken away, or was never there, is told as removed, once, and why', () => {
    const stream = deltaStream(updateOf({ web: '1', db: '1' }))
    expect(stream.hear({ resource_names_subscribe: [webId, dbId, 'nonsense'] })).toMatchObject({
      names: [webId, dbId],
      removed: ['nonsense'],
      errors: [['nonsense', notFound]],
    })
    expect(stream.push(web1)).toMatchObject({
      names: [],
      removed: [dbId],
      errors: [[dbId, notFound]],
    })
    expect(stream.push(web1)).toBeUndefined()
    expect(stream.push(updateOf({ web: '1', db: '2' }))).toMatchObject({
      names: [dbId],
      removed: [],
    })
  })

  test('a refused response is not sent again before it changes', () => {
    const stream = deltaStream(web1)
    stream.hear({ resource_names_subscribe: ['default'] })
    expect(stream.hear({ response_nonce: '1', error_detail: nack })).toBe(nack.message)
    expect(stream.push(web1)).toBeUndefined()
    expect(stream.push(web2)).toMatchObject({ names: ['default'] })
    // Of an older response: what it says of that no longer matters.
    expect(stream.hear({ response_nonce: '1', error_detail: nack })).toBeUndefined()
  })

  test('a changed subscription counts whatever response it answers to', () => {
    const stream = deltaStream(web1)
    stream.hear({ resource_names_subscribe: ['default'] })
    stream.push(web2)
    expect(
      stream.hear({ response_nonce: '1', resource_names_subscribe: ['ROOTCA'] }),
    ).toMatchObject({ names: ['ROOTCA'] })
    stream.hear({ resource_names_unsubscribe: ['default'] })
    expect(stream.push(web1)).toBeUndefined()
    expect(stream.hear({ resource_names_subscribe: ['default'] })).toMatchObject({
      names: ['default'],
    })
  })

  test('what is asked for once more is sent once more', () => {
    const stream = deltaStream(web1)
    stream.hear({ resource_names_subscribe: ['default'] })
    expect(stream.hear({ resource_names_subscribe: ['default'] })).toMatchObject({
      names: ['default'],
    })
  })

  test('on a new stream what the caller still holds is not sent again, and what is gone is told', () => {
    const before = deltaStream(updateOf({ web: '1', db: '1' })).hear({
      resource_names_subscribe: [webId, dbId, 'ROOTCA'],
    }) as { versions: Record<string, string> }
    const names = [webId, dbId, 'ROOTCA']
    const request = { resource_names_subscribe: names, initial_resource_versions: before.versions }
    expect(deltaStream(updateOf({ web: '1', db: '1' })).hear(request)).toBeUndefined()
    expect(deltaStream(updateOf({ web: '2' })).hear(request)).toMatchObject({
      names: [webId],
      removed: [dbId],
    })
    const later = deltaStream(web1)
    later.hear({ resource_names_subscribe: ['default'] })
    // Versions count on the first request of a stream alone.
    expect(
      later.hear({ resource_names_subscribe: [webId], initial_resource_versions: before.versions }),
    ).toMatchObject({ names: [webId] })
  })

  test('no name, or a star, asks for everything, and tells what of it is gone', () => {
    const all = deltaStream(updateOf({ web: '1', db: '1' }))
    expect(all.hear({})).toMatchObject({ names: [webId, dbId, home, friendHome], removed: [] })
    expect(all.push(web1)).toMatchObject({ names: [], removed: [dbId] })
    expect(all.push(web1)).toBeUndefined()
    const star = deltaStream(web1)
    expect(star.hear({ resource_names_subscribe: ['*', 'default'] })).toMatchObject({
      names: ['default', webId, home, friendHome],
    })
    star.hear({ resource_names_unsubscribe: ['*'] })
    expect(star.push(web2)).toMatchObject({ names: ['default'], removed: [] })
  })
})

describe('T12 what one stream may ask for is bounded', () => {
  const many = Array.from({ length: 65 }, (_, index) => `name-${index}`)
  const long = Array.from({ length: 9 }, (_, index) => `${index}${'x'.repeat(2000)}`)

  test.each([
    ['names', many, 'sds-too-many-names'],
    ['bytes of names', long, 'sds-too-many-names'],
    ['an empty name', [''], 'sds-name'],
  ])('%s', (_, names, reason) => {
    expect(() => stateStream(web1).hear(names)).toThrow(expect.objectContaining({ reason }))
    const stream = deltaStream(web1)
    const askOneByOne = () => {
      for (const name of names) stream.hear({ resource_names_subscribe: [name] })
    }
    expect(askOneByOne).toThrow(expect.objectContaining({ reason }))
  })

  test('names that were given up count no more', () => {
    const stream = deltaStream(web1)
    for (const name of many) {
      stream.hear({ resource_names_subscribe: [name] })
      stream.hear({ resource_names_unsubscribe: [name] })
    }
    expect(stream.hear({ resource_names_subscribe: ['default'] })).toMatchObject({
      names: ['default'],
    })
  })

  test('versions that a caller says it holds count with the names', () => {
    const held = Object.fromEntries(many.map((name) => [name, 'x']))
    expect(() =>
      deltaStream(web1).hear({
        resource_names_subscribe: ['*'],
        initial_resource_versions: held,
      }),
    ).toThrow(expect.objectContaining({ reason: 'sds-too-many-names' }))
  })
})

test('only secrets are served', () => {
  const type_url = 'type.googleapis.com/envoy.config.cluster.v3.Cluster'
  const refused = expect.objectContaining({ reason: 'sds-type' })
  expect(() => stateStream(web1).hear(['default'], { type_url })).toThrow(refused)
  expect(() => deltaStream(web1).hear({ resource_names_subscribe: ['x'], type_url })).toThrow(
    refused,
  )
  expect(stateStream(web1).hear(['default'], { type_url: secretType })).toMatchObject({
    names: ['default'],
  })
})

function ackOf(response: unknown): DiscoveryRequest$Input {
  const { nonce, version } = response as { nonce: string; version: string }
  return { response_nonce: nonce, version_info: version }
}

function versionIn(response: unknown): string {
  return (response as { version: string }).version
}

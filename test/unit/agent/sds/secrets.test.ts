import { describe, expect, test } from 'vitest'
import type { WorkloadUpdate } from '../../../../agent/cache/cache.ts'
import { defaultSdsConfig, type SdsConfig } from '../../../../agent/sds/names.ts'
import { findSecret, secretsBy } from '../../../../agent/sds/secrets.ts'
import { friend, trustDomain } from '../workload-endpoint/identities.ts'
import { bundleOf, dbId, friendHome, home, readSecret, updateOf, webId } from './samples.ts'

const plain: SdsConfig = { ...defaultSdsConfig, disableSpiffeCertValidation: true }
const renamed: SdsConfig = {
  ...defaultSdsConfig,
  defaultSvidName: 'svid',
  defaultBundleName: 'null',
  defaultAllBundlesName: 'spiffe://example.org/every one',
}
const both = updateOf({ web: '1', db: '2' })

function found(name: string, update: WorkloadUpdate, config = defaultSdsConfig) {
  const answer = findSecret(name, update, config)
  if (answer.kind === 'secret') return readSecret(answer.secret)
  return answer.kind === 'absent' ? answer.error.reason : answer.kind
}

const webCertificate = {
  chain: [`leaf ${webId} 1`, 'intermediate'],
  key: [`PRIVATE KEY: key ${webId} 1`],
}
const dbCertificate = {
  chain: [`leaf ${dbId} 2`, 'intermediate'],
  key: [`PRIVATE KEY: key ${dbId} 2`],
}
const ours = ['example.org', ['ca 1']] as const
const theirs = ['friend.org', ['their ca']] as const

describe('a name stands for', () => {
  test.each([
    ['the first identity', 'default', both, defaultSdsConfig, webCertificate],
    ['the identity of this SPIFFE ID', webId, both, defaultSdsConfig, webCertificate],
    ['the identity of another ID', dbId, both, defaultSdsConfig, dbCertificate],
    ['the own bundle', 'ROOTCA', both, defaultSdsConfig, { trustDomains: [ours] }],
    ['the own trust domain', home, both, defaultSdsConfig, { trustDomains: [ours] }],
    ['a federated one', friendHome, both, defaultSdsConfig, { trustDomains: [theirs] }],
    ['all bundles', 'ALL', both, defaultSdsConfig, { trustDomains: [ours, theirs] }],
    ['the own bundle, plain', 'ROOTCA', both, plain, { trustedCa: ['ca 1'] }],
    ['a federated one, plain', friendHome, both, plain, { trustedCa: ['their ca'] }],
    ['the first identity, renamed', 'svid', both, renamed, webCertificate],
    ['the own bundle, renamed', 'null', both, renamed, { trustDomains: [ours] }],
    [
      'all bundles, under any name',
      'spiffe://example.org/every one',
      both,
      renamed,
      { trustDomains: [ours, theirs] },
    ],
  ] as const)('%s: %s', (_, name, update, config, expected) => {
    expect(found(name, update, config)).toEqual({ name, ...expected })
  })

  test.each([
    ['another’s SPIFFE ID', 'spiffe://example.org/other', both, defaultSdsConfig],
    ['an ID of a foreign trust domain', 'spiffe://friend.org/web', both, defaultSdsConfig],
    ['a trust domain that no entry federates with', 'spiffe://else.org', both, defaultSdsConfig],
    ['a trust domain without its scheme', 'example.org', both, defaultSdsConfig],
    ['a name in the wrong case', 'rootca', both, defaultSdsConfig],
    ['an ID in the wrong case', 'SPIFFE://example.org/web', both, defaultSdsConfig],
    ['an ID with a slash at the end', `${webId}/`, both, defaultSdsConfig],
    ['a prototype’s property', '__proto__', both, defaultSdsConfig],
    ['the name that was changed', 'default', both, renamed],
    ['the bundle’s name that was changed', 'ROOTCA', both, renamed],
    ['the identity of a workload without any', 'default', updateOf(), defaultSdsConfig],
    ['the bundle of a workload without an identity', 'ROOTCA', updateOf(), defaultSdsConfig],
    ['all of a workload without an identity', 'ALL', updateOf(), defaultSdsConfig],
  ] as const)('nothing: %s', (_, name, update, config) => {
    expect(found(name, update, config)).toBe('sds-unknown-name')
  })

  test('what is to come, while it has not been signed', () => {
    const unsigned = updateOf({ web: '', db: '2' })
    expect(found(webId, unsigned)).toBe('pending')
    expect(found(dbId, unsigned)).toEqual({ name: dbId, ...dbCertificate })
    expect(found('default', updateOf({ web: '' }))).toBe('pending')
    expect(found('ROOTCA', updateOf({ web: '' }))).toEqual({ name: 'ROOTCA', trustDomains: [ours] })
  })

  test('nothing for ever where an older entry has the hint', () => {
    const clash = updateOf({ web: '1', db: '2', hint: 'h' })
    expect(found(webId, clash)).toEqual({ name: webId, ...webCertificate })
    expect(found(dbId, clash)).toBe('sds-hint-taken')
  })
})

describe('bundles', () => {
  test('T33 a plain list never holds the CAs of more than one trust domain', () => {
    expect(found('ALL', both, plain)).toBe('sds-needs-validator')
  })

  test('one without an X.509 authority is left out, since Envoy would refuse the whole', () => {
    const update = updateOf({ web: '1', federated: [bundleOf(friend)] })
    expect(found('ALL', update)).toEqual({ name: 'ALL', trustDomains: [ours] })
    expect(found(friendHome, update)).toBe('sds-no-authority')
    const none = updateOf({ web: '1', bundle: bundleOf(trustDomain), federated: [] })
    expect(found('ROOTCA', none)).toBe('sds-no-authority')
    expect(found('ALL', none)).toBe('sds-no-authority')
  })

  test('a trust domain that is no longer federated with is gone from all of them', () => {
    const update = updateOf({ web: '1', federated: [] })
    expect(found('ALL', update)).toEqual({ name: 'ALL', trustDomains: [ours] })
    expect(found(friendHome, update)).toBe('sds-unknown-name')
  })
})

describe('a version', () => {
  const versionOf = (name: string, update: WorkloadUpdate): string => {
    const answer = findSecret(name, update, defaultSdsConfig)
    return answer.kind === 'secret' ? answer.version : answer.kind
  }

  test('is the same for the same content, whoever asks and in whichever run', () => {
    expect(versionOf('default', updateOf({ web: '1' }))).toBe(
      versionOf('default', updateOf({ web: '1', federated: [] })),
    )
    expect(versionOf('ROOTCA', both)).toBe(versionOf('ROOTCA', updateOf({ web: '9' })))
  })

  test('is another one after a rotation', () => {
    expect(versionOf('default', updateOf({ web: '1' }))).not.toBe(
      versionOf('default', updateOf({ web: '2' })),
    )
    const rotated = updateOf({ web: '1', bundle: bundleOf(trustDomain, 'ca 1', 'ca 2') })
    for (const name of ['ROOTCA', 'ALL', home]) {
      expect(versionOf(name, rotated)).not.toBe(versionOf(name, updateOf({ web: '1' })))
    }
  })

  test('says nothing of the private key', () => {
    const update = updateOf({ web: '1' })
    const other = {
      ...update,
      identities: update.identities.map(({ entry, svid }) => ({
        entry,
        svid: { ...svid, privateKey: Buffer.from('another key') },
      })),
    }
    expect(versionOf('default', other)).toBe(versionOf('default', update))
  })
})

test('everything is each identity and each bundle once, by its ID', () => {
  const secrets = secretsBy(defaultSdsConfig)
  expect(secrets(both).allNames()).toEqual([webId, dbId, home, friendHome])
})

test('a secret is encoded once, however many ask for it', () => {
  const secrets = secretsBy(defaultSdsConfig)
  expect(secrets(both).find('default')).toBe(secrets(both).find('default'))
})

import { describe, expect, test } from 'vitest'
import { askedOnce, locate } from '../../../src/federation/locate.ts'
import { checkNetwork, mayConnect, parseNetworks } from '../../../src/federation/networks.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const none = parseNetworks([])

describe('T8 unless it is allowed, no connection leads to', () => {
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '192.0.0.8',
    '192.0.2.1',
    '192.88.99.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::7f00:1',
    '64:ff9b::a00:1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::1',
    '3fff::1',
    'fc00::1',
    'fe80::1',
    'fe80::1%lo',
    'ff02::1',
    'localhost',
    '',
  ])('%s', (address) => {
    expect(mayConnect(address, none)).toBe(false)
  })
})

test.each(['8.8.8.8', '172.15.0.1', '172.32.0.1', '2a00:1450:4001::1', '2606:4700::1111'])(
  '%s is public',
  (address) => {
    expect(mayConnect(address, none)).toBe(true)
  },
)

test('an address that names an interface is none, though its network be allowed or public', () => {
  const allowed = parseNetworks(['fe80::/10', 'fd00::/8'])
  expect(mayConnect('fe80::1', allowed)).toBe(true)
  for (const address of ['fe80::1%lo', 'fd00::1%eth0', '2606:4700::1111%eth0']) {
    expect([address, mayConnect(address, allowed)]).toEqual([address, false])
  }
})

test('of many addresses of a name three are tried, IPv6 and IPv4 in turns, and of none nothing', async () => {
  const found = (...addresses: string[]) =>
    locate(new URL('https://example.org'), {
      ...{ lookup: async () => addresses, allowedNetworks: none, allowedPorts: undefined },
    })
  const many = Array.from({ length: 100 }, (_, at) => `8.8.8.${at}`)
  expect((await found(...many)).addresses).toEqual(['8.8.8.0', '8.8.8.1', '8.8.8.2'])
  const both = ['2606:4700::1', '2606:4700::2', '2606:4700::3', '10.0.0.1', '8.8.8.1', '8.8.8.2']
  expect((await found(...both)).addresses).toEqual(['2606:4700::1', '8.8.8.1', '2606:4700::2'])
  await expect(found()).rejects.toMatchObject({ reason: 'federation-address' })
})

test('a name is asked for once at a time, whoever waits for it, and anew by the next one', async () => {
  const asked: string[] = []
  let answers = Promise.withResolvers<readonly string[]>()
  const lookup = askedOnce((host) => {
    asked.push(host)
    return answers.promise
  })
  const waiting = [lookup('a.test'), lookup('a.test'), lookup('b.test')]
  expect(asked).toEqual(['a.test', 'b.test'])
  answers.resolve(['192.0.2.1'])
  expect(await Promise.all(waiting)).toEqual([['192.0.2.1'], ['192.0.2.1'], ['192.0.2.1']])
  answers = Promise.withResolvers()
  answers.reject(new Error('ENOTFOUND'))
  for (const again of [1, 2]) {
    await expect(lookup('a.test')).rejects.toThrow('ENOTFOUND')
    expect(asked).toHaveLength(2 + again)
  }
})

test('what is allowed is that network and no more', () => {
  const allowed = parseNetworks(['10.1.0.0/16', '127.0.0.1', 'fd00::/8'])
  const asked = ['10.1.2.3', '127.0.0.1', 'fd12::1', '10.2.0.1', '127.0.0.2', 'fe80::1', '::1']
  expect(asked.map((address) => mayConnect(address, allowed))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ])
})

test.each([
  '',
  '10.0.0.0/33',
  'fd00::/129',
  '10.0.0/8',
  'example.org',
  '10.0.0.0/',
  '::1/-1',
  '::%lo',
])('"%s" is no network', (text) => {
  expect(reasonOf(() => parseNetworks([text]))).toBe('federation-network')
})

test.each([
  ['10.7.0.1/16', '10.7.0.0/16'],
  ['10.7.0.1/31', '10.7.0.0/31'],
  ['172.31.255.255/12', '172.16.0.0/12'],
  ['255.255.255.255/1', '128.0.0.0/1'],
  ['10.0.0.1/0', '0.0.0.0/0'],
  ['fd00::1/64', 'fd00::/64'],
  ['2001:db8:0:ff80::/57', '2001:db8:0:ff80::/57'],
  ['2001:DB8:0:ffc1::/57', '2001:db8:0:ff80::/57'],
  ['2001:db8::10.0.0.9/125', '2001:db8::a00:8/125'],
  ['::1/0', '::/0'],
] as const)('what is written as %s means %s', (text, network) => {
  if (text === network) return expect(checkNetwork(text)).toBe(text)
  expect(() => checkNetwork(text)).toThrow(
    expect.objectContaining({
      reason: 'federation-network',
      fix: `write the network as ${network}, or the address as ${text.split('/')[0]}`,
    }),
  )
  // What was written down before goes on.
  expect(parseNetworks([text]).has(text.split('/')[0] ?? '')).toBe(true)
})

test('a network, and an address alone, is kept as it is written', () => {
  const texts = [
    '10.0.0.0/8',
    '10.7.0.1',
    '10.7.0.1/32',
    'fd00::/8',
    'FD00::0/8',
    '::1',
    '0.0.0.0/0',
  ]
  expect(texts.map(checkNetwork)).toEqual(texts)
})

import { describe, expect, test } from 'vitest'
import { backdateSeconds, decide, tickMs } from '../../../../server/ca/rotation.ts'
import { refreshHintSeconds } from '../../../../server/ca/settings.ts'
import { maxAgeSeconds } from '../../../../server/documents/key-set.ts'
import type {
  AuthorityKind,
  AuthorityRecord,
  AuthoritySlot,
} from '../../../../server/store/records.ts'

const start = new Date('2026-06-01T12:00:00Z')
const hour = 3600
const after = (seconds: number): Date => new Date(start.getTime() + seconds * 1000)

function record(
  id: string,
  slot: AuthoritySlot,
  createdSeconds: number,
  lifetimeSeconds: number,
  kind: AuthorityKind = 'x509',
): AuthorityRecord {
  return {
    id,
    kind,
    slot,
    keyKind: 'ec-p256',
    publicKey: Buffer.alloc(0),
    certificate: Buffer.alloc(0),
    sealedKey: Buffer.alloc(0),
    notBefore: after(createdSeconds - backdateSeconds),
    notAfter: after(createdSeconds + lifetimeSeconds),
    tainted: false,
  }
}

/** As text: `prepare x509 due`, `activate x509 b due`, `drop x509 a`. */
function decided(records: readonly AuthorityRecord[], seconds: number): string[] {
  const jwt = record('jwt', 'active', seconds, 1000 * hour, 'jwt')
  return decide([...records, jwt], after(seconds), ['x509', 'jwt']).map((step) =>
    Object.values(step).join(' '),
  )
}

describe('what is due', () => {
  test('at the first start both kinds are made and used at once', () => {
    const steps = decide([], start, ['x509', 'jwt']).map(({ step, kind }) => `${step} ${kind}`)
    expect(steps).toEqual(['prepare x509', 'activate x509', 'prepare jwt', 'activate jwt'])
  })

  test('a day-long authority gets its successor after 12 h, which takes over after 20 h', () => {
    const a = record('a', 'active', 0, 24 * hour)
    expect(decided([a], 12 * hour)).toEqual([])
    expect(decided([a], 12 * hour + 1)).toEqual(['prepare x509 due'])
    const b = record('b', 'prepared', 12 * hour + 1, 24 * hour)
    expect(decided([a, b], 20 * hour)).toEqual([])
    expect(decided([a, b], 20 * hour + 1)).toEqual(['activate x509 b due'])
  })

  test('a year-long authority gets its successor 30 days, and hands over 7 days before its end', () => {
    const day = 24 * hour
    const a = record('a', 'active', 0, 365 * day)
    expect(decided([a], 335 * day)).toEqual([])
    expect(decided([a], 335 * day + 1)).toEqual(['prepare x509 due'])
    const b = record('b', 'prepared', 335 * day + 1, 365 * day)
    expect(decided([a, b], 358 * day)).toEqual([])
    expect(decided([a, b], 358 * day + 1)).toEqual(['activate x509 b due'])
  })

  test.each([60, hour, 24 * hour, 365 * 24 * hour])(
    'FED-01 of authorities that live %i s each is published for three turns of the bundle before it signs',
    (life) => {
      const a = record('a', 'active', 0, life)
      const stepAt = (records: readonly AuthorityRecord[], seconds: number): string =>
        decided(records, seconds)[0]?.split(' ')[0] ?? ''
      const seconds = Array.from({ length: 1000 }, (_, at) => (life * at) / 1000)
      const prepared = seconds.find((at) => stepAt([a], at) === 'prepare') ?? Number.NaN
      const both = [a, record('b', 'prepared', prepared, life)]
      const activated = seconds.find((at) => stepAt(both, at) === 'activate') ?? Number.NaN
      expect(activated - prepared).toBeGreaterThan(3 * refreshHintSeconds(life))
    },
  )

  test('FED-02 a successor that was made late is published for a while before it signs', () => {
    const a = record('a', 'active', 0, 24 * hour)
    const b = record('b', 'prepared', 21 * hour, 24 * hour)
    expect(decided([a, b], 21 * hour + 60)).toEqual([])
    expect(decided([a, b], 21 * hour + 900)).toEqual(['activate x509 b due'])
  })

  test.for([60, hour, 24 * hour, 720 * hour])(
    'RFC 7517 whoever keeps the keys for as long as it may has the next before it signs: of %d s',
    (lifetime) => {
      const made = 0.9 * lifetime
      const a = record('a', 'active', 0, lifetime)
      const b = record('b', 'prepared', made, lifetime)
      expect(decided([a, b], made + maxAgeSeconds(lifetime))).toEqual([])
    },
  )

  test('a successor takes over at once when the active one is about to end', () => {
    const a = record('a', 'active', 0, 24 * hour)
    const b = record('b', 'prepared', 23 * hour, 24 * hour)
    expect(decided([a, b], 23 * hour + 1)).toEqual(['activate x509 b ending'])
  })

  test('after a long standstill an ended authority is replaced at once', () => {
    const a = record('a', 'active', 0, 24 * hour)
    const b = record('b', 'prepared', 13 * hour, 24 * hour)
    expect(decided([a, b], 30 * hour)).toEqual(['activate x509 b ended'])
    expect(decided([a], 30 * hour)).toEqual(['prepare x509 ended', 'activate x509  ended'])
    expect(decided([a, b], 90 * hour)).toEqual([
      'prepare x509 ended',
      'activate x509  ended',
      'drop x509 b ended',
    ])
  })

  test('FED-03 an old authority stays in the bundle until after its end', () => {
    const a = record('a', 'old', 0, 24 * hour)
    const b = record('b', 'active', 20 * hour, 24 * hour)
    expect(decided([a, b], 24 * hour + 60)).toEqual([])
    expect(decided([a, b], 24 * hour + 61)).toEqual(['drop x509 a ended'])
  })

  test('the schedule is looked at every 10 s, and 20 times in the life of a short authority', () => {
    expect(tickMs(86_400)).toBe(10_000)
    expect(tickMs(20)).toBe(1000)
  })
})

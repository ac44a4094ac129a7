import type { Stand } from '../interop/stand.ts'

interface Authority {
  readonly state: string
  readonly id: string
  readonly expiresAt: string
}

/** The X.509 authority that signs now, and for how long it will by its own schedule. */
export async function activeAuthority(
  stand: Stand,
): Promise<{ readonly id: string; readonly expiresAt: Date }> {
  const all = await stand.operate<readonly Authority[]>('authority', 'x509', 'show')
  const active = all.find(({ state }) => state === 'active')
  if (active === undefined) throw new Error('no X.509 authority is active')
  return { id: active.id, expiresAt: new Date(active.expiresAt) }
}

export async function prepare(stand: Stand): Promise<string> {
  return (await stand.operate<Authority>('authority', 'x509', 'prepare')).id
}

export async function change(
  stand: Stand,
  verb: 'activate' | 'taint' | 'revoke',
  id: string,
): Promise<void> {
  await stand.operate('authority', 'x509', verb, '--id', id)
}

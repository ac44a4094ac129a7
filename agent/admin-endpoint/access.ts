import { CountersignError } from '../../src/errors.ts'

/**
 * Whom an RPC of the admin socket is for: an operator is whoever the file system lets in; a delegate
 * has to hold an ID beside that which the config names.
 */
type Right = 'operator' | 'delegate'

const delegated = '/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/'
const logger = '/spire.api.agent.logger.v1.Logger/'

/** Every RPC of the socket. What is not here is refused. */
export const adminAccess: Readonly<Record<string, Right>> = {
  '/spire.agent.debug.v1.Debug/GetInfo': 'operator',
  [`${logger}GetLogger`]: 'operator',
  [`${logger}SetLogLevel`]: 'operator',
  [`${logger}ResetLogLevel`]: 'operator',
  [`${delegated}SubscribeToX509SVIDs`]: 'delegate',
  [`${delegated}SubscribeToX509Bundles`]: 'delegate',
  [`${delegated}FetchJWTSVIDs`]: 'delegate',
  [`${delegated}SubscribeToJWTBundles`]: 'delegate',
}

/** Throws `forbidden` / `access-denied` for an RPC that the table does not name. */
export function rightFor(method: string): Right {
  const right = Object.hasOwn(adminAccess, method) ? adminAccess[method] : undefined
  if (right !== undefined) return right
  throw new CountersignError('forbidden', 'authorization denied for method unknown', {
    reason: 'access-denied',
  })
}

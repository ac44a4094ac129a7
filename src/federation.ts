/** The bundles of other trust domains, from their bundle endpoints (SPIFFE Federation). */
export type { EndpointProfile } from './federation/connect.ts'
export { type FetchBundleOptions, fetchBundle } from './federation/fetch-bundle.ts'
export type { HostLookup } from './federation/locate.ts'
export { type Networks, parseNetworks } from './federation/networks.ts'

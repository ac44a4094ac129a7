/** `fetch` and `request` of undici, a package of your own, as a workload to workloads. */
export type { HttpClientOptions } from './mtls/http-client.ts'
export type { IdentitySource } from './mtls/identity-source.ts'
export { connector, type HttpClient, openHttpClient } from './mtls/undici.ts'

/** A Workload API for tests: on a real socket, with a clock that stands still, doing what a test says. */
export { FakeClock } from './testing/fake-clock.ts'
export {
  FakeWorkloadApi,
  type FakeWorkloadApiOptions,
  type GrantOptions,
  type ReceivedCall,
  type WorkloadMessage,
  type WorkloadRpc,
} from './testing/fake-workload-api.ts'
export { nextUpdate } from './testing/next-update.ts'
export type { CallStatus, Transport } from './testing/script.ts'
export {
  type IssueJwtOptions,
  type IssueX509Options,
  TestTrustDomain,
} from './testing/trust-domain.ts'

/** A Workload API for tests: on a real socket, with a clock that stands still, doing what a test says. */
export { eventually } from './testing/eventually.ts'
export { FakeClock } from './testing/fake-clock.ts'
export { FakeWorkloadApi } from './testing/fake-workload-api.ts'
export { nextUpdate } from './testing/next-update.ts'
export type {
  CallStatus,
  FakeWorkloadApiOptions,
  GrantOptions,
  ReceivedCall,
  Transport,
  WorkloadMessage,
  WorkloadRpc,
} from './testing/script.ts'
export {
  type IssueJwtOptions,
  type IssueX509Options,
  TestTrustDomain,
} from './testing/trust-domain.ts'

import type { Selector } from '../../src/entry/entry.ts'
import { checkSelector, maxSelectors, sortSelectors } from '../../src/entry/selector.ts'
import { CountersignError } from '../../src/errors.ts'
import { selectorFromWire } from '../../src/rpc/convert.ts'
import type { Selector as WireSelector } from '../../src/rpc/gen/spire/api/types/Selector.ts'
import { type Attestation, askingUntil } from '../workload-attestation/attestation.ts'
import { processByNumber } from '../workload-attestation/numbered.ts'

/** The workload that a delegate asks for. */
export interface Subject {
  /** Sorted, distinct. */
  readonly selectors: readonly Selector[]
  /** Throws where it is a process that is gone, or another one now. To be called before each answer. */
  confirm(): void
  /** To be called once nothing is asked for it any more. */
  release(): void
}

interface Named {
  readonly selectors: readonly WireSelector[]
  readonly pid: number
}

/**
 * By selectors the delegate's word is taken; by pid the process is attested here and now. Throws
 * `invalid` (`subject-…`, `selector-…`), `not-found` / `process-absent`, and what attestation throws.
 */
export async function subjectOf(
  attestation: Attestation,
  { selectors, pid }: Named,
  signal: AbortSignal,
): Promise<Subject> {
  if ((selectors.length === 0) === (pid === 0)) {
    throw new CountersignError(
      'invalid',
      'must provide either selectors or non-zero PID, but not both',
      { reason: 'subject-ambiguous' },
    )
  }
  return pid === 0 ? bySelectors(selectors) : byNumber(attestation, pid, signal)
}

function bySelectors(wire: readonly WireSelector[]): Subject {
  if (wire.length > maxSelectors) {
    throw new CountersignError('invalid', `at most ${maxSelectors} selectors are allowed`, {
      reason: 'subject-too-many-selectors',
    })
  }
  const selectors = sortSelectors(wire.map((one) => checkSelector(selectorFromWire(one))))
  return { selectors, confirm() {}, release() {} }
}

async function byNumber(
  attestation: Attestation,
  pid: number,
  signal: AbortSignal,
): Promise<Subject> {
  const process = processByNumber(pid)
  try {
    const { selectors, confirm } = await attestation.attest(process, askingUntil(signal))
    return { selectors, confirm: () => confirm(), release: () => process.release() }
  } catch (error) {
    process.release()
    throw error
  }
}

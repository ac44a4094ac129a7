import type fc from 'fast-check'

/** Something that strangers' bytes are thrown at. */
export interface Target {
  readonly name: string
  /** The seed is that of the inputs, for what they are made of. */
  open(seed: number): Promise<OpenTarget>
}

export interface OpenTarget extends AsyncDisposable {
  readonly inputs: fc.Arbitrary<Uint8Array>
  /**
   * Takes one input. May throw a CountersignError, which is a refusal; anything else is a failure, and so
   * is an input that takes more than the bound.
   */
  take(input: Uint8Array): unknown
  /** Milliseconds that the process which takes the inputs has been at work, by the kernel's count. */
  workedMs(): number
  /** The descriptors that the process which takes the inputs holds. */
  descriptors(): number
}

/** A target in this process. */
export interface Parser {
  readonly inputs: fc.Arbitrary<Uint8Array>
  take(input: Uint8Array): unknown
  close?(): void
}

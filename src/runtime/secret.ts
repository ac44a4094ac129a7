import { inspect } from 'node:util'

const shown = '[secret]'

/** A value that prints as `[secret]` wherever it lands: logs, errors, JSON, templates. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself, for the one line that needs it. */
  reveal(): string {
    return this.#value
  }

  equals(other: Secret): boolean {
    return this.#value === other.#value
  }

  toString(): string {
    return shown
  }

  toJSON(): string {
    return shown
  }
}

// What `console.log` and `util.inspect` ask for.
Object.defineProperty(Secret.prototype, inspect.custom, { value: () => shown })

import { writeFileSync } from 'node:fs'

/**
 * T21: leaves all memory, in which keys are, out of the core dump of this process, whoever takes it: the kernel writes
 * registers and a list of mapped files alone (core(5)). Where `/proc` is none of Linux or cannot be written, it does
 * nothing. The process stays one that an agent can look at: to forbid its dumps altogether would forbid that.
 */
export function keepMemoryOutOfCoreDumps(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {}
}

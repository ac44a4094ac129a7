import type { CountersignError } from '../errors.ts'
import { systemClock } from '../runtime/clock.ts'
import { eachMinute } from '../runtime/each-minute.ts'
import type { Io } from './io.ts'

/** Says what a verb that goes on lives through, and what to do about it: the same once a minute. */
export function problemNotes(io: Pick<Io, 'note'>): (error: CountersignError) => void {
  const kindOf = ({ reason, message }: CountersignError): string => `${reason}: ${message}`
  return eachMinute(systemClock, kindOf, (error) => {
    const fix = error.fix === undefined ? '' : `\n  fix: ${error.fix}`
    io.note(`${kindOf(error)}${fix}`)
  })
}

import { z } from 'zod'
import { CountersignError } from '../errors.ts'
import { chosen, inWords, sayWrong } from './config-fix.ts'

/** Where settings come from, the strongest first: `flags`, `env`, `file`. */
export interface Overrides {
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of the config file. */
  readonly file: string | undefined
}

/**
 * What flags and environment say of the settings that may be said there, checked by the file's own
 * schema. Throws `invalid` / `config-value` naming the flag or the variable.
 */
export function readOverrides<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  variables: Readonly<Record<string, string>>,
  said: Overrides,
): Partial<z.output<z.ZodObject<S>>> {
  const values: Record<string, unknown> = {}
  for (const [setting, variable] of Object.entries(variables)) {
    const flag = said.flags[setting]
    const text = flag ?? said.env[variable]
    const field = schema.shape[setting]
    if (text === undefined || text === '' || field === undefined) continue
    const result = z.safeParse(field, text === 'false' ? false : text)
    if (!result.success) {
      const name = flag === undefined ? variable : `--${setting.replaceAll('_', '-')}`
      const [issue] = result.error.issues.map(chosen)
      const wrong = issue && sayWrong(issue, inWords(issue), name)
      throw new CountersignError('invalid', `${name}: ${wrong?.message}`, {
        reason: 'config-value',
        fix: wrong?.fix,
      })
    }
    values[setting] = result.data
  }
  return values as Partial<z.output<z.ZodObject<S>>>
}

/** Throws `invalid` / `config-missing` with the three ways to say it. */
export function requireSetting<T>(value: T | undefined, key: string, variable: string): T {
  if (value !== undefined) return value
  throw new CountersignError('invalid', `no ${key} is set`, {
    reason: 'config-missing',
    fix: `set ${key} in the file that --config names, --${key.replaceAll('_', '-')} or ${variable}`,
  })
}

import { existsSync, readFileSync } from 'node:fs'

/** The version of this package, as package.json says it; `dist/` lies one folder further down. */
export const version: string = (() => {
  const beside = new URL('../../package.json', import.meta.url)
  const file = existsSync(beside) ? beside : new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
})()

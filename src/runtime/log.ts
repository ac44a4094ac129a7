export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/** What a log writes, while it runs. */
export interface LevelSwitch {
  /** As it was at the start. */
  readonly launch: LogLevel
  readonly current: LogLevel
  set(level: LogLevel): void
}

/** What a line of the log holds beside its message. */
export type Fields = Readonly<Record<string, unknown>>

/** One JSON object a line. Field values are data: strings, numbers, `Secret`s (which print as such). */
export interface Log {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** The same log with these fields in each line. */
  child(fields: Fields): Log
}

const nothing = (): void => {}

export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
}

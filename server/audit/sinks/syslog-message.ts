import { hostname } from 'node:os'
import type { TrailLine } from '../trail-reader.ts'

/** RFC 5424 §6.2.1: `log audit`. */
const facility = 13
const severity = { allow: 6, deny: 4 } as const
const beginning = /^\{"v":1,"n":\d{1,15},"time":"([0-9TZ:.-]{1,32})","kind":"([a-z0-9.]{1,32})"/

/** What stands in front of the message: from the record itself, so that it says when it happened and not when it was sent. */
interface Place {
  readonly priority: number
  readonly time: string
  readonly kind: string
}

function placeOf(text: string): Place {
  const [, time = '-', kind = '-'] = beginning.exec(text) ?? []
  const decision = text.includes('"decision":"deny"') ? 'deny' : 'allow'
  return { priority: facility * 8 + severity[decision], time, kind }
}

/** RFC 5424 §6: the record as it stands in the file is the message. A trail is ASCII. */
export function syslogMessage({ text }: TrailLine): string {
  const { priority, time, kind } = placeOf(text)
  return `<${priority}>1 ${time} ${host()} countersign ${process.pid} ${kind} - ${text}`
}

/** What `/dev/log` takes (the form of RFC 3164 without a host): journald and rsyslog set time and host themselves. */
export function localMessage({ text }: TrailLine): string {
  return `<${placeOf(text).priority}>countersign[${process.pid}]: ${text}`
}

/** A datagram holds no more than 64 KiB: of a longer record, where it is to be found. */
export function fitting(line: TrailLine, maxBytes: number): TrailLine {
  if (line.text.length <= maxBytes) return line
  const { time, kind } = placeOf(line.text)
  const { number, hash } = line.head
  return {
    ...line,
    text: JSON.stringify({ v: 1, n: number, time, kind, tooLongFor: 'datagram', hash }),
  }
}

function host(): string {
  return (
    hostname()
      .replaceAll(/[^\x21-\x7e]/g, '')
      .slice(0, 255) || '-'
  )
}

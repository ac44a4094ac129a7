import { Command, Option } from 'commander'
import { type FilterOptions, withFilter } from './audit-filter.ts'
import { chosen, jsonLine } from './audit-search.ts'
import type { Io } from './io.ts'
import { printJsonLine } from './output.ts'
import { usage } from './usage.ts'

const formats = ['json', 'csv', 'ocsf'] as const
type Format = (typeof formats)[number]

/** `countersign audit export` */
export function auditExport(io: Io): Command {
  return withFilter(
    new Command('export')
      .description('the records of a trail that fit, for other programs')
      .argument('<file>', 'the audit_file of a server; the numbered ones beside it are read first'),
  )
    .addOption(
      new Option('--format <format>', 'json, csv or ocsf').argParser(parseFormat).default('json'),
    )
    .addHelpText(
      'after',
      `
json is one record a line, as it stands in the trail; csv has a heading (RFC 4180); ocsf is one event of
the Open Cybersecurity Schema Framework 1.3 a line: Authentication, Authorize Session, or Base Event.

Example:
  countersign audit export audit.log --since 2026-06-01 --until 2026-07-01 --format csv > june.csv`,
    )
    .action(async (file: string, options: FilterOptions & { readonly format: Format }) => {
      const { csvHeader, csvLine } = await import('./audit-csv.ts')
      const { ocsfEvent } = await import('../audit/ocsf.ts')
      if (options.format === 'csv') io.write(csvHeader)
      for await (const found of chosen(io, file, options)) {
        if (options.format === 'csv') io.write(csvLine(found.record))
        else if (options.format === 'json') io.write(jsonLine(found))
        else printJsonLine(io, ocsfEvent(found))
      }
    })
}

/** Throws `invalid` / `usage`. */
function parseFormat(text: string): Format {
  const format = formats.find((one) => one === text)
  if (format !== undefined) return format
  throw usage(`no such format: ${text}`, `use ${formats.join(', ')}`)
}

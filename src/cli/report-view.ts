import type { Finding, FrameworkReport, RowReport } from '../report/report.ts'
import { printable } from './output.ts'

/** For people at a terminal. */
export function reportText(reports: readonly FrameworkReport[]): string {
  return reports
    .map(({ name, note, rows }) =>
      [name, `  ${note}`, '', ...rows.flatMap((row) => [...rowText(row), ''])].join('\n'),
    )
    .join('\n')
}

function rowText({ id, about, covered, findings, tests, gaps }: RowReport): readonly string[] {
  return [
    `${id}  ${about}`,
    `  covered    ${covered}`,
    ...findings.map(
      (finding) =>
        `  ${finding.answer?.attention === true ? 'LOOK' : 'now '}       ${found(finding)}`,
    ),
    ...tests.map((title) => `  test       ${title}`),
    `  not        ${gaps}`,
  ]
}

function found({ query, source, answer }: Finding): string {
  return answer === undefined
    ? `${query}: the ${source} was not asked`
    : printable(`${query}: ${answer.text}`)
}

/** A table a framework, for a page. */
export function reportMarkdown(reports: readonly FrameworkReport[]): string {
  return reports
    .map(({ name, note, rows }) =>
      [
        `## ${name}`,
        '',
        note,
        '',
        '| row | covered | found now | tests | not covered |',
        '| --- | --- | --- | --- | --- |',
        ...rows.map(({ id, about, covered, findings, tests, gaps }) => {
          const now = findings.map((one) =>
            one.answer?.attention === true ? `**${found(one)}**` : found(one),
          )
          const cells = [`**${id}** ${about}`, covered, now.join('<br>'), tests.join('<br>'), gaps]
          return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
        }),
        '',
      ].join('\n'),
    )
    .join('\n')
}

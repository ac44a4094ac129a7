import { aiRmf } from './ai-rmf.ts'
import type { Answer } from './answer.ts'
import { csf } from './csf.ts'
import type { ServerFigures, TrailFigures } from './figures.ts'
import type { Framework, Row } from './framework.ts'
import { nhiTop10 } from './nhi-top-10.ts'
import { ask, type QueryName, sourceOf } from './queries.ts'

export const frameworks: readonly Framework[] = [nhiTop10, csf, aiRmf]

export interface Finding {
  readonly query: QueryName
  readonly source: 'trail' | 'server'
  /** Undefined: nobody was asked. */
  readonly answer: Answer | undefined
}

export interface RowReport extends Pick<Row, 'id' | 'about' | 'tests' | 'gaps'> {
  readonly covered: 'in part' | 'not'
  readonly findings: readonly Finding[]
}

export interface FrameworkReport extends Pick<Framework, 'id' | 'name' | 'note'> {
  readonly rows: readonly RowReport[]
}

/** Each row with what was found for it now. No row is ever covered whole: its gaps say by what. */
export function report(
  chosen: readonly Framework[],
  figures: { readonly trail: TrailFigures | undefined; readonly server: ServerFigures | undefined },
): readonly FrameworkReport[] {
  return chosen.map(({ id, name, note, rows }) => ({
    ...{ id, name, note },
    rows: rows.map((row) => ({
      ...{ id: row.id, about: row.about, tests: row.tests, gaps: row.gaps },
      covered: row.queries.length + row.tests.length === 0 ? 'not' : 'in part',
      findings: row.queries.map((query) => ({
        query,
        source: sourceOf(query),
        answer: ask(query, figures),
      })),
    })),
  }))
}

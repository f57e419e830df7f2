// Cells of the grid of cohorts.

import type { CohortMonth, CohortRow } from '../api/answers'
import { ratio } from '../format/numbers'

export type CohortMeasure = 'retention' | 'buyers' | 'net' | 'cumulative' | 'value'

/** The figure of one cell. Retention is a share of the cohort, value the net of one person so far. */
export function cohortValue(row: CohortRow, month: CohortMonth, measure: CohortMeasure): number {
  switch (measure) {
    case 'retention': return ratio(month.buyers, row.size)
    case 'buyers': return month.buyers
    case 'net': return month.net
    case 'cumulative': return month.cumulative_net
    case 'value': return Math.round(ratio(month.cumulative_net, row.size))
  }
}

/**
 * How warm a cell is, from 0 to 1: its value against the greatest of the grid. The first month of retention and buyers
 * is the whole cohort and would drown the rest, so it is left out and has no heat.
 */
export function cohortHeat(rows: CohortRow[], measure: CohortMeasure): (row: CohortRow, month: CohortMonth) => number {
  const counted = (month: CohortMonth) => month.offset > 0 || (measure !== 'retention' && measure !== 'buyers')
  const most = Math.max(0, ...rows.flatMap((row) => row.months.filter(counted).map((month) => cohortValue(row, month, measure))))
  return (row, month) => (counted(month) ? Math.max(0, ratio(cohortValue(row, month, measure), most)) : 0)
}

/** The last offset of any cohort, -1 of none. */
export function lastOffset(rows: CohortRow[]): number {
  return Math.max(-1, ...rows.flatMap((row) => row.months.map((month) => month.offset)))
}

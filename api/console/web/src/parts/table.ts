// What a table's columns are, and how its rows sort.

import type { TextKey } from '../text/text'

export interface Column<R> {
  /** Name of the column's slot, and of its cells in an export. */
  key: string
  label: TextKey
  /** What the column sorts by, and shows where no slot does. */
  value: (row: R) => string | number
  /** Numbers stand at the end of their cell. */
  end?: boolean
}

/** A sort as an address has it: a column's key, with '-' in front for descending. '' leaves the API's order. */
export function sorted<R>(rows: R[], columns: Column<R>[], sort: string): R[] {
  const descending = sort.startsWith('-')
  const column = columns.find((c) => c.key === sort.replace(/^-/, ''))
  if (!column) return rows
  return [...rows].sort((a, b) => {
    const [x, y] = [column.value(a), column.value(b)]
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))
    return descending ? -order : order
  })
}

/** The sort after a click on a column: numbers start with the greatest, texts with the first, then the reverse. */
export function nextSort<R>(column: Column<R>, sort: string): string {
  const first = column.end ? '-' + column.key : column.key
  const second = column.end ? column.key : '-' + column.key
  return sort === first ? second : first
}

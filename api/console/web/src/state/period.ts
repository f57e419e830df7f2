// Periods: named spans of days relative to today, and the span before one, for comparison.

import { addDays, daysBetween, monthStart } from './time'

/** A half-open span of days. Empty texts leave a side open. */
export interface Span {
  from: string
  to: string
}

/** The periods on offer, in the order of the menu. `custom` takes its days from the address. */
export const periods = ['all', '7d', '30d', '90d', 'this-month', 'last-month', 'this-year', '12m', 'custom'] as const

export type Period = (typeof periods)[number]

/** The days of a named period. Today counts as a whole day. */
export function spanOf(period: Exclude<Period, 'custom'>, today: string): Span {
  const to = addDays(today, 1)
  switch (period) {
    case 'all': return { from: '', to: '' }
    case '7d': return { from: addDays(to, -7), to }
    case '30d': return { from: addDays(to, -30), to }
    case '90d': return { from: addDays(to, -90), to }
    case 'this-month': return { from: monthStart(today), to }
    case 'last-month': return { from: monthStart(today, -1), to: monthStart(today) }
    case 'this-year': return { from: today.slice(0, 4) + '-01-01', to }
    case '12m': return { from: monthStart(today, -11), to }
  }
}

/**
 * The span to compare with: the month before a whole month, else as many days directly before. Null where a side is
 * open, for nothing lies before everything.
 */
export function before(span: Span): Span | null {
  if (!span.from || !span.to) return null
  const wholeMonth = span.from.endsWith('-01') && span.to === monthStart(span.from, 1)
  const from = wholeMonth ? monthStart(span.from, -1) : addDays(span.from, -daysBetween(span.from, span.to))
  return { from, to: span.from }
}

/** The interval in which a span's points are neither too many to read nor too few to show a course. */
export function intervalFor(span: Span): 'day' | 'week' | 'month' {
  if (!span.from || !span.to) return 'month'
  const days = daysBetween(span.from, span.to)
  if (days <= 92) return 'day'
  return days <= 500 ? 'week' : 'month'
}

// The filter every page shares. Its home is the query of the page's address, so an address is all that is needed to see
// the same figures again.

import { before, periods, spanOf, type Period, type Span } from './period'
import { dayIn, isDay, isZone } from './time'

/** The parts of the filter, as its bar shows them. */
export const everyField = ['period', 'accounts', 'currency', 'tz', 'as_of'] as const

export type FilterField = (typeof everyField)[number]

export const defaultZone = 'Asia/Shanghai'

/** What a page asks about. */
export interface Filter {
  period: Period
  /** First day of a custom period, '' if open. */
  from: string
  /** The day after the last of a custom period, '' if open. */
  to: string
  /** Accounts, none meaning all. */
  appids: string[]
  /** ISO 4217 code, '' meaning each currency by itself. */
  currency: string
  tz: string
  /** RFC 3339 instant, '' meaning now. */
  asOf: string
}

/** A query as vue-router has it. */
export type Query = Record<string, string | null | (string | null)[] | undefined>

function all(value: Query[string]): string[] {
  return (Array.isArray(value) ? value : [value]).filter((v): v is string => typeof v === 'string' && v !== '')
}

/** The first value of a query parameter, '' if it is absent. */
export function one(value: Query[string]): string {
  return all(value)[0] ?? ''
}

/** Reads the filter from an address. What cannot be read falls back to the default, so an old link still opens. */
export function parseFilter(query: Query): Filter {
  const days = { from: one(query.from), to: one(query.to) }
  const from = isDay(days.from) ? days.from : ''
  const to = isDay(days.to) ? days.to : ''
  const named = one(query.period) as Period
  const tz = one(query.tz)
  const asOf = Date.parse(one(query.as_of))
  return {
    period: from || to ? 'custom' : periods.includes(named) ? named : 'all',
    from,
    to,
    appids: [...new Set(all(query.appid))].sort(),
    currency: /^[A-Z]{3}$/.test(one(query.currency)) ? one(query.currency) : '',
    tz: isZone(tz) ? tz : defaultZone,
    asOf: Number.isNaN(asOf) ? '' : new Date(asOf).toISOString(),
  }
}

/** Writes the filter as an address's query, leaving out what is default. The inverse of parseFilter. */
export function filterQuery(filter: Filter): Query {
  const query: Query = {}
  if (filter.period === 'custom') {
    if (filter.from) query.from = filter.from
    if (filter.to) query.to = filter.to
    if (!filter.from && !filter.to) query.period = 'custom'
  } else if (filter.period !== 'all') {
    query.period = filter.period
  }
  if (filter.appids.length) query.appid = filter.appids
  if (filter.currency) query.currency = filter.currency
  if (filter.tz !== defaultZone) query.tz = filter.tz
  if (filter.asOf) query.as_of = filter.asOf
  return query
}

/** The days a filter asks about. Named periods end on the day of `asOf`, so that a link to the past stays the same. */
export function spanFor(filter: Filter, now: Date): Span {
  if (filter.period === 'custom') return { from: filter.from, to: filter.to }
  return spanOf(filter.period, dayIn(filter.asOf ? new Date(filter.asOf) : now, filter.tz))
}

/** The filter as parameters of the API's reports, with a span of its own where one is given. */
export function reportParams(filter: Filter, now: Date, span: Span = spanFor(filter, now)): URLSearchParams {
  const params = new URLSearchParams()
  if (span.from) params.set('from', span.from)
  if (span.to) params.set('to', span.to)
  params.set('tz', filter.tz)
  for (const appid of filter.appids) params.append('appid', appid)
  if (filter.currency) params.set('currency', filter.currency)
  if (filter.asOf) params.set('as_of', filter.asOf)
  return params
}

/** The same question about the span before, or null where there is none. */
export function previousParams(filter: Filter, now: Date): URLSearchParams | null {
  const span = before(spanFor(filter, now))
  return span && reportParams(filter, now, span)
}

// Counts, shares and changes.

import { locale, type Reading } from './reading'

/** A count: '12,345', or '1.23万' where large numbers are shortened. */
export function count(n: number, reading: Reading): string {
  const short = reading.short && Math.abs(n) >= 10_000
  return new Intl.NumberFormat(short ? 'zh-CN' : locale(reading), {
    ...(short ? { notation: 'compact', minimumFractionDigits: 0 } : {}), maximumFractionDigits: 2,
  }).format(n)
}

/** A share of one as per cent with one digit: 0.256 is '25.6%'. */
export function share(part: number, reading: Reading): string {
  return new Intl.NumberFormat(locale(reading), { style: 'percent', maximumFractionDigits: 1 }).format(part)
}

/** A part of a whole as a share, 0 of nothing. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

/** The change from one figure to another as '+12.5%', or null where the first is zero and no share of it exists. */
export function change(from: number, to: number, reading: Reading): string | null {
  if (from === 0) return null
  return new Intl.NumberFormat(locale(reading), {
    style: 'percent', maximumFractionDigits: 1, signDisplay: 'exceptZero',
  }).format((to - from) / Math.abs(from))
}

/** A count beside an axis, where a few digits do: '15k', '1.5万'. */
export function axisCount(n: number, reading: Reading): string {
  return new Intl.NumberFormat(reading.short ? 'zh-CN' : locale(reading), { notation: 'compact', maximumFractionDigits: 1 }).format(n)
}

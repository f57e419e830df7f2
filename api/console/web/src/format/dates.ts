// Moments as a reader sees them, always in the filter's time zone.

import { momentIn } from '../state/time'

/** An instant as '2026-11-22 18:00' in a zone; '' for none, the text itself where it is no time. */
export function moment(instant: string | null | undefined, tz: string): string {
  if (!instant) return ''
  const date = new Date(instant)
  return Number.isNaN(date.getTime()) ? instant : momentIn(date, tz).replace('T', ' ')
}

/** A length of time as '3 s', '5 min', '2 h', '4 d', to two digits. */
export function length(seconds: number): string {
  const units: [string, number][] = [['d', 86_400], ['h', 3_600], ['min', 60]]
  for (const [unit, size] of units) {
    if (seconds >= size) return `${Math.round((seconds / size) * 10) / 10} ${unit}`
  }
  return `${Math.round(seconds * 10) / 10} s`
}

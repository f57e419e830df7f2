// Days and moments in a time zone. Days are 'YYYY-MM-DD', local moments 'YYYY-MM-DDTHH:MM', instants RFC 3339 in UTC.

/** The local fields of an instant in a zone. */
function fields(instant: Date, tz: string): Record<string, string> {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: tz, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit',
    hour: '2-digit', minute: '2-digit', second: '2-digit',
  })
  return Object.fromEntries(format.formatToParts(instant).map((part) => [part.type, part.value]))
}

/** Tells whether the browser knows a time zone by this name. */
export function isZone(tz: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: tz })
    return tz !== ''
  } catch {
    return false
  }
}

/** Tells whether a text is a day that exists. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const day = new Date(text + 'T00:00:00Z')
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

/** The day on which an instant falls in a zone. */
export function dayIn(instant: Date, tz: string): string {
  const f = fields(instant, tz)
  return `${f.year}-${f.month}-${f.day}`
}

/** The local moment, to the minute, at which an instant falls in a zone. */
export function momentIn(instant: Date, tz: string): string {
  const f = fields(instant, tz)
  return `${f.year}-${f.month}-${f.day}T${f.hour}:${f.minute}`
}

/**
 * The instant of a local moment in a zone. A moment that a change of clocks leaves out maps to the hour after it; one
 * that occurs twice maps to one of the two.
 */
export function instantOf(moment: string, tz: string): Date {
  const wanted = Date.parse(moment + 'Z')
  let guess = wanted
  for (let round = 0; round < 2; round++) {
    guess += wanted - Date.parse(momentIn(new Date(guess), tz) + 'Z')
  }
  return new Date(guess)
}

/** The day n days after another; n may be negative. */
export function addDays(day: string, n: number): string {
  const date = new Date(day + 'T00:00:00Z')
  date.setUTCDate(date.getUTCDate() + n)
  return date.toISOString().slice(0, 10)
}

/** The first day of the month n months after the month of a day. */
export function monthStart(day: string, n = 0): string {
  const date = new Date(day.slice(0, 7) + '-01T00:00:00Z')
  date.setUTCMonth(date.getUTCMonth() + n)
  return date.toISOString().slice(0, 10)
}

/** How many days lie from one day to another. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to + 'T00:00:00Z') - Date.parse(from + 'T00:00:00Z')) / 86_400_000)
}

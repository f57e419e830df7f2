import { describe, expect, it } from 'vitest'
import { extras } from '../src/state/extra'
import { filterQuery, parseFilter, previousParams, reportParams, spanFor, type Query } from '../src/state/filter'
import { pageAfter } from '../src/state/next'
import { nextAddress } from '../src/state/pages'
import { before, intervalFor, periods, spanOf } from '../src/state/period'
import { addDays, dayIn, daysBetween, instantOf, isDay, isZone, monthStart } from '../src/state/time'

const now = new Date('2026-11-22T17:00:00Z') // already the 23rd in Shanghai

describe('time', () => {
  it('knows the day of a zone', () => {
    expect(dayIn(now, 'Asia/Shanghai')).toBe('2026-11-23')
    expect(dayIn(now, 'America/New_York')).toBe('2026-11-22')
  })
  it('counts days and months', () => {
    expect(addDays('2026-02-28', 1)).toBe('2026-03-01')
    expect(monthStart('2026-01-31', -1)).toBe('2025-12-01')
    expect(monthStart('2026-03-31', 1)).toBe('2026-04-01')
    expect(daysBetween('2026-03-01', '2026-04-01')).toBe(31)
  })
  it('finds the instant of a local moment, also beside a change of clocks', () => {
    expect(instantOf('2026-11-22T18:30', 'Asia/Shanghai').toISOString()).toBe('2026-11-22T10:30:00.000Z')
    expect(instantOf('2026-07-01T00:00', 'Europe/Berlin').toISOString()).toBe('2026-06-30T22:00:00.000Z')
    expect(instantOf('2026-03-29T03:30', 'Europe/Berlin').toISOString()).toBe('2026-03-29T01:30:00.000Z')
  })
  it('refuses days and zones that do not exist', () => {
    expect(['2026-02-30', '2026-2-3', '', '2024-02-29'].map(isDay)).toEqual([false, false, false, true])
    expect(['', 'Mars/Base', 'UTC'].map(isZone)).toEqual([false, false, true])
  })
})

describe('periods', () => {
  it('count today as a whole day', () => {
    expect(spanOf('7d', '2026-11-23')).toEqual({ from: '2026-11-17', to: '2026-11-24' })
    expect(spanOf('12m', '2026-11-23')).toEqual({ from: '2025-12-01', to: '2026-11-24' })
    expect(spanOf('last-month', '2026-01-05')).toEqual({ from: '2025-12-01', to: '2026-01-01' })
  })
  it('compare with as many days before, or with the month before', () => {
    expect(before({ from: '2026-11-17', to: '2026-11-24' })).toEqual({ from: '2026-11-10', to: '2026-11-17' })
    expect(before({ from: '2026-03-01', to: '2026-04-01' })).toEqual({ from: '2026-02-01', to: '2026-03-01' })
    expect(before({ from: '', to: '2026-04-01' })).toBeNull()
  })
  it('choose an interval that can be read', () => {
    expect(intervalFor({ from: '', to: '' })).toBe('month')
    expect(intervalFor(spanOf('90d', '2026-11-23'))).toBe('day')
    expect(intervalFor(spanOf('12m', '2026-11-23'))).toBe('week')
  })
})

describe('the filter in the address', () => {
  const addresses: Query[] = [
    {},
    { period: '30d', appid: ['wx1', 'wx2'], currency: 'CNY' },
    { from: '2026-01-01', to: '2026-02-01', tz: 'UTC' },
    { to: '2026-02-01', as_of: '2026-02-01T10:00:00.000Z' },
    { period: 'custom' },
  ]
  it('is read and written without loss', () => {
    for (const address of addresses) {
      if (address.period === 'custom') continue
      expect(filterQuery(parseFilter(address))).toEqual(address)
    }
    for (const period of periods) {
      const filter = { ...parseFilter({}), period }
      if (period !== 'custom') expect(parseFilter(filterQuery(filter))).toEqual(filter)
    }
  })
  it('falls back where it cannot be read', () => {
    expect(parseFilter({ period: 'eon', from: 'yesterday', tz: 'Mars', currency: '¥', as_of: 'soon', appid: [null, ''] }))
      .toEqual({ period: 'all', from: '', to: '', appids: [], currency: '', tz: 'Asia/Shanghai', asOf: '' })
  })
  it('becomes parameters of a report', () => {
    const asked = reportParams(parseFilter({ period: '7d', appid: ['wx2', 'wx1'], currency: 'USD' }), now)
    expect(asked.toString()).toBe('from=2026-11-17&to=2026-11-24&tz=Asia%2FShanghai&appid=wx1&appid=wx2&currency=USD')
    expect(reportParams(parseFilter({}), now).toString()).toBe('tz=Asia%2FShanghai')
  })
  it('stays the same for a past moment, whenever it is opened', () => {
    expect(spanFor(parseFilter({ period: '7d', as_of: '2026-01-10T00:00:00Z' }), now)).toEqual({ from: '2026-01-04', to: '2026-01-11' })
  })
  it('asks about the period before, if there is one', () => {
    expect(previousParams(parseFilter({ period: '7d' }), now)?.get('to')).toBe('2026-11-17')
    expect(previousParams(parseFilter({}), now)).toBeNull()
  })
})

describe('other state in the address', () => {
  it('narrows the list of persons', () => {
    expect(extras({ segment: 'lost', appids: 'wx1,wx2', measure: 'net' }))
      .toEqual([{ key: 'appids', value: 'wx1,wx2' }, { key: 'segment', value: 'lost' }])
  })
  it('goes on after a sign-in, never to another host', () => {
    expect(['/persons?q=x', '', '//evil.example', '/\\evil.example', 'https://evil.example', '/sign-in'].map(pageAfter))
      .toEqual(['/persons?q=x', '/', '/', '/', '/', '/'])
  })
  it('names the next page of a report', () => {
    expect(nextAddress('/v1/audit?limit=5&cursor=a', 'b+c')).toBe('/v1/audit?limit=5&cursor=b%2Bc')
  })
})

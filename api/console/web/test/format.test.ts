import { describe, expect, it } from 'vitest'
import { decodeData } from '../src/format/data'
import { length, moment } from '../src/format/dates'
import { exportAddress, toCSV, toNDJSON } from '../src/format/export'
import { axisMoney, decimal, minorDigits, money } from '../src/format/money'
import { axisCount, change, count, ratio, share } from '../src/format/numbers'
import type { Reading } from '../src/format/reading'

const en: Reading = { language: 'en', short: false }
const zh: Reading = { language: 'zh-CN', short: false }
const short: Reading = { language: 'zh-CN', short: true }

describe('money', () => {
  it('has the minor digits of ISO 4217, not those of CLDR', () => {
    expect(['CNY', 'USD', 'JPY', 'KWD', 'HUF', 'IDR', 'IQD', 'XXX'].map(minorDigits)).toEqual([2, 2, 0, 3, 2, 2, 3, 2])
  })
  it('is exact in decimals', () => {
    expect(decimal(12345, 'CNY')).toBe('123.45')
    expect(decimal(-5, 'CNY')).toBe('-0.05')
    expect(decimal(0, 'KWD')).toBe('0.000')
    expect(decimal(1234, 'JPY')).toBe('1234')
    expect(decimal(Number.MAX_SAFE_INTEGER, 'CNY')).toBe('90071992547409.91')
  })
  it('shows currency and sign', () => {
    expect(money(12345, 'CNY', zh)).toBe('¥123.45')
    expect(money(-250031563, 'USD', en)).toBe('-US$2,500,315.63')
    expect(money(1234, 'HUF', en)).toMatch(/12\.34/)
    expect(money(9007199254740991, 'CNY', zh)).toBe('¥90,071,992,547,409.91')
  })
  it('shortens with 万 and 亿 from ten thousand on', () => {
    expect(money(250031563, 'CNY', short)).toBe('¥250.03万')
    expect(money(25003156300000, 'CNY', short)).toBe('¥2500.32亿')
    expect(money(999999, 'CNY', short)).toBe('¥9,999.99')
  })
  it('shows a code no browser knows as it is', () => {
    expect(money(100, 'nonsense', en)).toBe('1.00 nonsense')
  })
})

describe('numbers', () => {
  it('groups, shortens and shares', () => {
    expect(count(23570, en)).toBe('23,570')
    expect(count(23570, short)).toBe('2.36万')
    expect(count(9999, short)).toBe('9,999')
    expect(axisCount(15000, zh)).toBe('1.5万')
    expect(axisMoney(15000000, 'USD', en)).toBe('US$150k')
    expect(share(0.2557, zh)).toBe('25.6%')
    expect(ratio(1, 0)).toBe(0)
  })
  it('tells a change, and none from nothing', () => {
    expect(change(100, 112.5, en)).toBe('+12.5%')
    expect(change(100, 50, en)).toBe('-50%')
    expect(change(-100, 50, en)).toBe('+150%')
    expect(change(0, 5, en)).toBeNull()
  })
})

describe('dates', () => {
  it('show moments in the zone of the filter', () => {
    expect(moment('2026-11-22T10:00:00.123Z', 'Asia/Shanghai')).toBe('2026-11-22 18:00')
    expect(moment('', 'UTC')).toBe('')
    expect(moment('unknown', 'UTC')).toBe('unknown')
  })
  it('show lengths of time', () => {
    expect([0.25, 59, 90, 5400, 200_000].map(length)).toEqual(['0.3 s', '59 s', '1.5 min', '1.5 h', '2.3 d'])
  })
})

describe('payloads', () => {
  it('are read as text, whatever they hold', () => {
    expect(decodeData('eyJhIjoi5LqRIn0=')).toBe('{"a":"云"}')
    expect(decodeData('/w==')).toBe('\uFFFD')
    expect(decodeData('not base64!')).toBe('not base64!')
    expect(decodeData('')).toBe('')
  })
})

describe('exports', () => {
  it('write CSV that Excel reads and does not run', () => {
    expect(toCSV([{ a: 'x,"y"', n: -1 }, { a: '=1+1', b: null }])).toBe('\uFEFFa,n,b\r\n"x,""y""",-1,\r\n\'=1+1,,\r\n')
  })
  it('write NDJSON', () => {
    expect(toNDJSON([{ a: 1 }, { a: '\n' }])).toBe('{"a":1}\n{"a":"\\n"}\n')
  })
  it('ask the API for the whole answer', () => {
    expect(exportAddress('/v1/reports/top-persons?appid=a&appid=b&limit=50&cursor=x', 'csv'))
      .toBe('/v1/reports/top-persons?appid=a&appid=b&format=csv&bom=1')
    expect(exportAddress('/v1/audit', 'ndjson')).toBe('/v1/audit?format=ndjson')
  })
})

// Amounts: integers in a currency's minor unit, shown in its major one.

import { locale, type Reading } from './reading'

// The currencies whose minor unit has not two digits, by ISO 4217, as schemas/currency.go has them. The browser's own
// table follows CLDR, which takes the cents from HUF, IDR, PKR and others: every amount in them would be wrong by 100.
const noDigits = 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'.split(' ')
const threeDigits = 'BHD IQD JOD KWD LYD OMR TND'.split(' ')

/** How many minor digits a currency has: 2 for CNY, 0 for JPY, 3 for KWD. */
export function minorDigits(currency: string): number {
  if (noDigits.includes(currency)) return 0
  return threeDigits.includes(currency) ? 3 : 2
}

/**
 * The exact decimal text of an amount, without a float in between: 12345 minor units of CNY are '123.45'. Amounts
 * beyond 2^53 minor units have lost digits before they get here, since JSON carries numbers.
 */
export function decimal(amount: number, currency: string): string {
  const digits = minorDigits(currency)
  const sign = amount < 0 ? '-' : ''
  const text = BigInt(Math.trunc(Math.abs(amount))).toString().padStart(digits + 1, '0')
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** An amount as a reader sees it: '¥123.45', or '¥1.23万' where large numbers are shortened. */
export function money(amount: number, currency: string, reading: Reading): string {
  const value = decimal(amount, currency)
  try {
    const short = reading.short && Math.abs(Number(value)) >= 10_000
    const digits = minorDigits(currency)
    return new Intl.NumberFormat(short ? 'zh-CN' : locale(reading), {
      style: 'currency', currency, minimumFractionDigits: short ? 0 : digits, maximumFractionDigits: short ? 2 : digits,
      ...(short ? { notation: 'compact' } : {}),
    }).format(value as unknown as number) // decimal strings are formatted exactly; TypeScript's library lags behind
  } catch {
    return `${value} ${currency}`
  }
}

/** An amount beside an axis, where a few digits do: 'US$150k', '¥15万'. */
export function axisMoney(amount: number, currency: string, reading: Reading): string {
  try {
    return new Intl.NumberFormat(reading.short ? 'zh-CN' : locale(reading), {
      style: 'currency', currency, notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 1,
    }).format(Number(decimal(amount, currency)))
  } catch {
    return decimal(amount, currency)
  }
}

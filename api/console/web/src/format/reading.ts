// How a reader wants numbers and texts.

/** The languages of the console. */
export const languages = ['zh-CN', 'en'] as const

export type Language = (typeof languages)[number]

/** A reader's preferences as far as formatting goes. */
export interface Reading {
  language: Language
  /** Shorten large numbers with 万 and 亿. */
  short: boolean
}

/** The locale for Intl. English dates are written year first, as in the filter. */
export function locale(reading: Reading): string {
  return reading.language === 'en' ? 'en-GB' : 'zh-CN'
}

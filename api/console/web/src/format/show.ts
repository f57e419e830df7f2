// The formats, bound to the reader's preferences. Reactive: a template that calls them follows the choices.

import { preferences } from '../state/preferences'
import * as money from './money'
import * as numbers from './numbers'

export const showMoney = (amount: number, currency: string) => money.money(amount, currency, preferences)
export const showCount = (n: number) => numbers.count(n, preferences)
export const showShare = (part: number) => numbers.share(part, preferences)
export const showChange = (from: number, to: number) => numbers.change(from, to, preferences)

export const axisMoney = (amount: number, currency: string) => money.axisMoney(amount, currency, preferences)
export const axisCount = (n: number) => numbers.axisCount(n, preferences)

/** The amount in full, for a title beside a shortened one. */
export const exactMoney = (amount: number, currency: string) => money.money(amount, currency, { ...preferences, short: false })

/** The count in full, for a title beside a shortened one. */
export const exactCount = (n: number) => numbers.count(n, { ...preferences, short: false })

// What the list of persons can be narrowed by besides the shared filter: the questions other pages lead to it with.

import { one, type Query } from './filter'

/** The API's parameters for it, which are the address's too. */
export const extraKeys = ['appids', 'segment', 'buyers', 'linked', 'first_appid'] as const

export type ExtraKey = (typeof extraKeys)[number]

/** The extra conditions of an address, in a fixed order. */
export function extras(query: Query): { key: ExtraKey; value: string }[] {
  return extraKeys.map((key) => ({ key, value: one(query[key]) })).filter((e) => e.value !== '')
}

// Currencies are never added together, so a page that compares figures shows one currency at a time.

import { computed, ref, type ComputedRef } from 'vue'
import type { Filter } from './filter'

/** The currencies met so far, for the filter's menu. */
export const knownCurrencies = ref<string[]>([])

/** Remembers currencies for the filter's menu. */
export function meetCurrencies(codes: string[]): void {
  const all = [...new Set([...knownCurrencies.value, ...codes])].sort()
  if (all.length !== knownCurrencies.value.length) knownCurrencies.value = all
}

/** The currency to show: the one filtered for, else the one with the greatest weight in the rows, '' of no rows. */
export function mainCurrency<R extends { currency: string }>(wanted: string, rows: R[], weight: (row: R) => number): string {
  if (wanted) return wanted
  const weights = new Map<string, number>()
  for (const row of rows) weights.set(row.currency, (weights.get(row.currency) ?? 0) + weight(row))
  return [...weights].sort(([a, x], [b, y]) => y - x || a.localeCompare(b))[0]?.[0] ?? ''
}

/** The rows of one currency, and which it is. */
export function useCurrency<R extends { currency: string }>(
  filter: ComputedRef<Filter>, rows: () => R[], weight: (row: R) => number,
) {
  const currency = computed(() => {
    const all = rows()
    meetCurrencies(all.map((r) => r.currency))
    return mainCurrency(filter.value.currency, all, weight)
  })
  return {
    currency,
    /** All currencies of the answer, for a switch between them. */
    offered: computed(() => [...new Set(rows().map((r) => r.currency))].sort()),
    shown: computed(() => rows().filter((r) => r.currency === currency.value)),
  }
}

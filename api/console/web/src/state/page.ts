// The state of a page, read from and written to the query of its address.

import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'
import { filterQuery, one, parseFilter, previousParams, reportParams, type Filter } from './filter'

const filterKeys = ['period', 'from', 'to', 'appid', 'currency', 'tz', 'as_of']

/** The moment against which named periods count. Fixed for the life of the page, so that its figures agree. */
const opened = new Date()

/** The shared filter of the present address. */
export function useFilter() {
  const route = useRoute()
  const router = useRouter()
  const filter = computed(() => parseFilter(route.query))

  /** Changes parts of the filter and keeps what else the page has in its address. */
  function change(parts: Partial<Filter>): void {
    const rest = Object.fromEntries(Object.entries(route.query).filter(([key]) => !filterKeys.includes(key)))
    void router.push({ query: { ...rest, ...filterQuery({ ...filter.value, ...parts }) } as LocationQueryRaw })
  }

  return {
    filter,
    change,
    /** The filter as the query of another page, with parts changed. */
    queryWith: (parts: Partial<Filter> = {}) => filterQuery({ ...filter.value, ...parts }) as LocationQueryRaw,
    /** The filter as parameters of a report, with parts changed. */
    params: (parts: Partial<Filter> = {}) => reportParams({ ...filter.value, ...parts }, opened),
    previous: () => previousParams(filter.value, opened),
    opened,
  }
}

/** One choice of a page's own, such as the measure a chart shows. The first option is the default. */
export function useChoice<T extends string>(key: string, options: readonly [T, ...T[]]): WritableComputedRef<T> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => options.find((o) => o === one(route.query[key])) ?? options[0],
    set: (value) => {
      const query = { ...route.query, [key]: value === options[0] ? undefined : value }
      void router.replace({ query })
    },
  })
}

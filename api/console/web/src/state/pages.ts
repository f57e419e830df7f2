// A report read page by page.

import { computed, ref, shallowRef, watch } from 'vue'
import type { Report } from '../api/answers'
import { get } from '../api/client'
import { Problem } from '../api/problem'
import { useAnswer, type Question } from './answer'

/** The address of the page after one. */
export function nextAddress(url: string, cursor: string): string {
  const [path = '', query = ''] = url.split('?')
  const params = new URLSearchParams(query)
  params.set('cursor', cursor)
  return `${path}?${params}`
}

/** The first page as an answer, and further ones on demand. A new question begins anew. */
export function usePages<R>(question: () => Question) {
  const first = useAnswer<Report<R>>(question)
  const further = shallowRef<R[]>([])
  const cursor = ref('')
  const busy = ref(false)
  const problem = shallowRef<Problem | null>(null)

  watch(first.data, (page) => {
    further.value = []
    cursor.value = page?.next_cursor ?? ''
    problem.value = null
  })

  async function more(): Promise<void> {
    const asked = first.data.value
    if (!asked || busy.value) return
    busy.value = true
    problem.value = null
    try {
      const page = await get<Report<R>>(nextAddress(first.url.value, cursor.value))
      if (first.data.value !== asked) return // the question has changed meanwhile
      further.value = [...further.value, ...page.rows]
      cursor.value = page.next_cursor ?? ''
    } catch (cause) {
      problem.value = cause instanceof Problem ? cause : new Problem(0, String(cause), '')
    } finally {
      busy.value = false
    }
  }

  return {
    first, more, busy, problem,
    rows: computed(() => [...(first.data.value?.rows ?? []), ...further.value]),
    hasMore: computed(() => cursor.value !== ''),
  }
}

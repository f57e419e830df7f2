// An answer of the API that follows the question asked for it.

import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { address, get } from '../api/client'
import { Problem } from '../api/problem'

/** What a page asks: a path and its parameters, or null for nothing yet. */
export type Question = { path: string; params?: URLSearchParams } | null

export interface Answer<T> {
  /** The latest answer; kept while the next is on its way, so that a page does not jump. */
  data: ShallowRef<T | null>
  problem: ShallowRef<Problem | null>
  /** True while a question is on its way. */
  loading: Ref<boolean>
  /** The address of the answer shown, '' for none. */
  url: Ref<string>
  /** Asks the same question again. */
  reload: () => void
}

/** Asks whenever the question changes. An answer to an older question never replaces a newer one's: it is aborted. */
export function useAnswer<T>(question: () => Question): Answer<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(false)
  const url = ref('')
  let current: AbortController | null = null

  async function ask(next: string): Promise<void> {
    current?.abort()
    url.value = next
    problem.value = null
    loading.value = next !== ''
    if (next === '') {
      data.value = null
      return
    }
    const mine = (current = new AbortController())
    try {
      const answer = await get<T>(next, mine.signal)
      if (mine.signal.aborted) return
      data.value = answer
    } catch (cause) {
      if (mine.signal.aborted) return
      data.value = null
      problem.value = cause instanceof Problem ? cause : new Problem(0, String(cause), '')
    }
    loading.value = false
  }

  watch(() => {
    const asked = question()
    return asked ? address(asked.path, asked.params) : ''
  }, (next) => void ask(next), { immediate: true })
  onScopeDispose(() => current?.abort())
  return { data, problem, loading, url, reload: () => void ask(url.value) }
}

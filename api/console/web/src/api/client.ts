// Calls to the API below /v1 of this host. The session's cookie goes along by itself.

import { Problem, problemOf } from './problem'

let csrf = ''
let signedOut: () => void = () => {}

/** Sets the token that mutating calls carry, '' for none. */
export function useCsrf(token: string): void {
  csrf = token
}

/** Sets what happens when the API no longer knows the session. */
export function onSignedOut(then: () => void): void {
  signedOut = then
}

/** The address of an answer. */
export function address(path: string, params?: URLSearchParams): string {
  const query = params?.toString()
  return query ? `${path}?${query}` : path
}

async function call(method: string, url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { method, credentials: 'same-origin', ...init })
  } catch (cause) {
    if (init.signal?.aborted) throw cause
    throw new Problem(0, '', '')
  }
  if (response.ok) return response
  const problem = problemOf(response.status, response.statusText, await response.text())
  if (response.status === 401 && url !== '/v1/session') signedOut()
  throw problem
}

/** Asks for an answer. Throws a Problem, or the signal's reason once it is aborted. */
export async function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await call('GET', url, { signal, headers: { Accept: 'application/json' } })
  return (await response.json()) as T
}

/** Asks for a change. Throws a Problem. */
export async function send<T>(method: 'POST' | 'DELETE', url: string, body?: unknown): Promise<T | null> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (csrf) headers['X-CSRF-Token'] = csrf
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const response = await call(method, url, { headers, body: body === undefined ? undefined : JSON.stringify(body) })
  const text = await response.text()
  return text ? (JSON.parse(text) as T) : null
}

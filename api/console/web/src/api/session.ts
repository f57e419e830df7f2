// Who is signed in. The token itself is sent once and never kept: the API keeps the session in a cookie scripts cannot
// read.

import { shallowRef } from 'vue'
import { get, send, useCsrf } from './client'
import { Problem } from './problem'

export interface Session {
  name: string
  role: string
  csrf: string
}

/** The roles; each may do what the one before may. */
const roles = ['analyst', 'marketer', 'operator', 'admin']

/** Tells whether the session's role may do what a role may. The API decides; this only spares vain attempts. */
export function may(role: string): boolean {
  return roles.indexOf(session.value?.role ?? '') >= roles.indexOf(role)
}

/** The session, null while nobody is signed in. */
export const session = shallowRef<Session | null>(null)

function take(next: Session | null): void {
  session.value = next
  useCsrf(next?.csrf ?? '')
}

/** Asks whether the cookie holds a session. Throws a Problem other than "not signed in". */
export async function loadSession(): Promise<void> {
  try {
    take(await get<Session>('/v1/session'))
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 401) throw problem
    take(null)
  }
}

/** How one may sign in here; oidc is the company's sign-in, null where there is none. */
export interface Ways {
  oidc: { name: string } | null
}

/** Asks how one may sign in. Throws a Problem. */
export function loadWays(): Promise<Ways> {
  return get<Ways>('/v1/session/ways')
}

/** Exchanges a token for a session. Throws a Problem, of status 401 for an unknown token. */
export async function signIn(token: string): Promise<void> {
  take(await send<Session>('POST', '/v1/session', { token }))
}

/** Ends the session, here and at the API. */
export async function signOut(): Promise<void> {
  await send('DELETE', '/v1/session')
  take(null)
}

/** Forgets a session the API has ended already. */
export function dropSession(): void {
  take(null)
}

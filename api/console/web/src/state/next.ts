// Where to go after a sign-in.

/** The page asked for before the sign-in, if it is a page of this console; an address of another host never is. */
export function pageAfter(next: string): string {
  return /^\/(?![/\\])/.test(next) && !next.startsWith('/sign-in') ? next : '/'
}

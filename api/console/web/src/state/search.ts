// Finding a person by any identifier an analyst may hold in hand.

import type { Account } from '../api/accounts'

/** What a text may be. */
export const searchKinds = ['any', 'person', 'openid', 'unionid', 'member'] as const

export type SearchKind = (typeof searchKinds)[number]

/** One look-up at the API: an identity, a key, or a person id that needs none. */
export type Lookup =
  | { kind: 'person'; id: string }
  | { kind: 'identity'; appid: string; path: string }
  | { kind: 'key'; space: string; path: string }

/** Tells whether a text has the form of a person id. */
export function isPersonID(text: string): boolean {
  return /^p_[0-9a-f]{16}$/.test(text)
}

/**
 * The look-ups for a text. An openid is tried in every account, a unionid in every platform, a member number in the
 * space given; `any` tries them all.
 */
export function lookups(text: string, kind: SearchKind, accounts: Account[], space: string): Lookup[] {
  const value = encodeURIComponent(text)
  const key = (s: string): Lookup => ({ kind: 'key', space: s, path: `/v1/keys/${encodeURIComponent(s)}/${value}` })
  const platforms = [...new Set(accounts.map((a) => a.platform).filter(Boolean))]
  const identities = accounts.map((a): Lookup => ({ kind: 'identity', appid: a.appid, path: `/v1/identities/${encodeURIComponent(a.appid)}/${value}` }))
  switch (kind) {
    case 'person': return [{ kind: 'person', id: text }]
    case 'openid': return identities
    case 'unionid': return platforms.map(key)
    case 'member': return [key(space)]
    case 'any':
      if (isPersonID(text)) return [{ kind: 'person', id: text }]
      return [...identities, ...[...new Set([...platforms, space])].map(key)]
  }
}

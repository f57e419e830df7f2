// The drawing of a person: identities on the left, keys on the right, a line for each link between them.

import type { Explanation, IdentityRef, KeyRef, LinkRow } from '../api/answers'

export interface Node {
  id: string
  title: string
  detail: string
  /** Vertical place, in rows from the top. */
  row: number
}

export interface Edge {
  id: string
  from: number
  to: number
  link: LinkRow
}

export interface Graph {
  identities: Node[]
  keys: Node[]
  edges: Edge[]
  /** Rows of two identities that a migrate joins. */
  migrations: [number, number][]
  rows: number
}

export const identityID = (i: IdentityRef) => `${i.appid} ${i.openid}`
export const keyID = (k: KeyRef) => `${k.space} ${k.value}`
export const linkID = (l: IdentityRef & KeyRef) => `${identityID(l)} ${keyID(l)}`

function mean(values: number[]): number {
  return values.length ? values.reduce((a, b) => a + b, 0) / values.length : Infinity
}

/**
 * Arranges a person. Identities that share keys stand together, and each key stands level with the middle of its
 * identities, which keeps lines short and mostly uncrossed. The same person is always drawn the same.
 */
export function graphOf(person: Pick<Explanation, 'identities' | 'keys' | 'links' | 'migrations'>, name: (appid: string) => string): Graph {
  const keysOf = (i: IdentityRef) => person.links.filter((l) => identityID(l) === identityID(i)).map(keyID).sort()
  const identities = [...person.identities].sort((a, b) =>
    (keysOf(a)[0] ?? '\uffff').localeCompare(keysOf(b)[0] ?? '\uffff') || identityID(a).localeCompare(identityID(b)))
  const at = new Map(identities.map((i, row) => [identityID(i), row]))
  const edges = person.links.filter((l) => at.has(identityID(l)))
  const level = (k: KeyRef) => mean(edges.filter((l) => keyID(l) === keyID(k)).map((l) => at.get(identityID(l))!))
  const keys = [...person.keys].sort((a, b) => {
    const [x, y] = [level(a), level(b)]
    return (x === y ? 0 : x - y) || keyID(a).localeCompare(keyID(b))
  })
  const rows = Math.max(identities.length, keys.length, 1)
  const place = (n: number, of: number) => n + (rows - of) / 2
  const keyAt = new Map(keys.map((k, n) => [keyID(k), place(n, keys.length)]))
  const shift = (row: number) => place(row, identities.length)
  return {
    identities: identities.map((i, n) => ({ id: identityID(i), title: name(i.appid), detail: i.openid, row: shift(n) })),
    keys: keys.map((k) => ({ id: keyID(k), title: k.space, detail: k.value, row: keyAt.get(keyID(k))! })),
    edges: edges.filter((l) => keyAt.has(keyID(l)))
      .map((link) => ({ id: linkID(link), from: shift(at.get(identityID(link))!), to: keyAt.get(keyID(link))!, link })),
    migrations: migrationsOf(person.migrations, at).map(([a, b]) => [shift(a), shift(b)]),
    rows,
  }
}

/** Pairs of identities whose ends belong to one migrate event. */
function migrationsOf(ends: Explanation['migrations'], at: Map<string, number>): [number, number][] {
  const byEvent = new Map<string, number[]>()
  for (const end of ends) {
    const row = at.get(identityID(end))
    if (row !== undefined) byEvent.set(end.event_id, [...(byEvent.get(end.event_id) ?? []), row])
  }
  return [...byEvent.values()].flatMap((rows) => rows.slice(1).map((row): [number, number] => [rows[0]!, row]))
}

/** A long identifier with its middle left out. */
export function shorten(text: string, most = 26): string {
  if (text.length <= most) return text
  const half = Math.floor((most - 1) / 2)
  return `${text.slice(0, half)}…${text.slice(-half)}`
}

// What accounts have in common, out of the exact sets of accounts persons bought in.

/** Persons who bought in exactly these accounts. */
export interface ExactSet {
  appids: string[]
  buyers: number
}

/** The accounts that occur in the sets, sorted. */
export function accountsOf(sets: ExactSet[]): string[] {
  return [...new Set(sets.flatMap((s) => s.appids))].sort()
}

/**
 * Persons by two accounts: pairs[a][b] bought in both a and b, whatever else; pairs[a][a] bought in a. Exact sets do not
 * overlap, so they may be added.
 */
export function pairsOf(sets: ExactSet[]): Record<string, Record<string, number>> {
  const appids = accountsOf(sets)
  const pairs = Object.fromEntries(appids.map((a) => [a, Object.fromEntries(appids.map((b) => [b, 0]))]))
  for (const set of sets) {
    for (const a of set.appids) {
      for (const b of set.appids) pairs[a]![b]! += set.buyers
    }
  }
  return pairs
}

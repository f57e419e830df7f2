// Looks persons up.

import type { Lookup } from '../state/search'
import type { FoundIdentity, FoundKey } from './answers'
import { address, get } from './client'
import { Problem } from './problem'

/** A person found, and by what. */
export interface Found {
  person_id: string
  by: Lookup
  /** Whether the key that led here links nobody, because too many identities hold it. */
  overloaded: boolean
}

async function follow(lookup: Lookup, asOf: string): Promise<Found[]> {
  const past = asOf ? new URLSearchParams({ as_of: asOf }) : undefined
  try {
    switch (lookup.kind) {
      case 'person':
        return [{ person_id: lookup.id, by: lookup, overloaded: false }]
      case 'identity':
        return [{ person_id: (await get<FoundIdentity>(address(lookup.path, past))).person_id, by: lookup, overloaded: false }]
      case 'key': {
        const key = await get<FoundKey>(address(lookup.path, past))
        return key.person_ids.map((person_id) => ({ person_id, by: lookup, overloaded: key.overloaded }))
      }
    }
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) return [] // not known there
    throw problem
  }
}

/** Follows look-ups as of a moment, '' for now, and gathers the persons. Throws the first Problem other than "not found". */
export async function find(all: Lookup[], asOf: string): Promise<Found[]> {
  return (await Promise.all(all.map((lookup) => follow(lookup, asOf)))).flat()
}

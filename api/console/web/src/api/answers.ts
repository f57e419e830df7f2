// The shapes of the API's answers, as api/README.md has them. Amounts are integers in the minor unit of their currency.

/** Every answer says as of when it holds, and up to which stream time every event is counted. */
export interface Stamp {
  as_of: string
  fresh_through: string | null
}

/** A page of a report. */
export interface Report<R> extends Stamp {
  rows: R[]
  next_cursor?: string
}

export interface SummaryRow {
  currency: string
  orders: number
  gross: number
  refunds: number
  net: number
  /** Distinct identities. */
  account_buyers: number
  /** Distinct persons. */
  buyers: number
  cross_account_buyers: number
  /** From 0 to 1, null of nothing. */
  linked_share: number | null
}

export interface AccountRow extends SummaryRow {
  appid: string
  /** Persons who bought in another account too. */
  shared_buyers: number
}

export interface PointRow {
  start: string
  currency: string
  appid?: string
  orders: number
  gross: number
  refunds: number
  net: number
  buyers: number
}

export interface OverlapRow {
  currency: string
  appids: string[]
  buyers: number
  net: number
}

export interface TopPersonRow {
  person_id: string
  currency: string
  net: number
  orders: number
  accounts: number
  last_order_at: string | null
}

export interface CohortMonth {
  offset: number
  buyers: number
  net: number
  cumulative_net: number
}

export interface CohortRow {
  currency: string
  /** Month of the first purchase, '2026-01'. */
  cohort: string
  size: number
  months: CohortMonth[]
}

export interface SegmentRow {
  currency: string
  segment: string
  persons: number
  orders: number
  net: number
  /** Means over the persons of the segment; monetary in minor units. */
  recency_days: number
  frequency: number
  monetary: number
}

export interface JourneyRow {
  currency: string
  from_appid: string
  to_appid: string
  persons: number
  median_days: number | null
  net: number
}

export interface ProductRow {
  currency: string
  from_appid: string
  sku: string
  to_appid: string
  to_sku: string
  buyers: number
}

export interface RefundRow {
  currency: string
  appid: string
  orders: number
  refunds_count: number
  gross: number
  refunds: number
  /** From 0 to 1, null of nothing. */
  refund_rate: number | null
  /** From the order to its refund. */
  median_days: number | null
}

export interface IdentityRef {
  appid: string
  openid: string
}

export interface SeenIdentity extends IdentityRef {
  first_seen: string
}

export interface KeyRef {
  space: string
  value: string
}

export interface TotalRow {
  appid: string
  currency: string
  orders: number
  gross: number
  refunds: number
  net: number
  items: number
}

export interface Person extends Stamp {
  person_id: string
  /** Whether the id asked for is a former one of this person. */
  former: boolean
  identities: SeenIdentity[]
  keys: KeyRef[]
  profile: { nickname?: string; headimgurl?: string } | null
  totals: TotalRow[]
}

export interface PurchaseRow extends IdentityRef {
  order_id: string
  kind: string
  refund_id: string
  amount: number
  currency: string
  occurred_at: string
  revision: number
  event_id: string
  items: { sku: string; name: string; category: string; quantity: number; amount: number }[] | null
}

export interface Evidence {
  event_id: string
  source: string
  occurred_at: string
  stream_time: string
}

export interface LinkRow extends IdentityRef, KeyRef {
  evidence: Evidence[]
}

export interface ConflictRow extends IdentityRef, KeyRef, Evidence {
  /** The value that counts instead. */
  held: string
}

export interface VoidedRow extends IdentityRef, KeyRef, Evidence {
  /** The event_id of the unlink. */
  by: string
}

export interface HistoryRow extends IdentityRef {
  from: string
  to: string
  learnt: string
  /** The event_id that moved the identity. */
  cause: string
}

export interface OverloadedKey extends KeyRef {
  identities: number
}

export interface Explanation extends Stamp {
  person_id: string
  former: boolean
  identities: SeenIdentity[]
  keys: KeyRef[]
  links: LinkRow[]
  migrations: (IdentityRef & Evidence)[]
  conflicts: ConflictRow[]
  overloaded: OverloadedKey[]
  voided: VoidedRow[]
  history: HistoryRow[] | null
}

export interface FoundIdentity extends Stamp, IdentityRef {
  person_id: string
}

export interface FoundKey extends Stamp, KeyRef {
  person_ids: string[]
  overloaded: boolean
}

/** What an unlink or an erase does, or would do. */
export interface Undo {
  dry_run: boolean
  action: string
  person_id: string
  unlinks: (IdentityRef & { space: string })[] | null
  identities: (IdentityRef & { from: string; to: string })[] | null
  persons_before: number
  persons_after: number
  money: { appid: string; currency: string; orders: number; net: number }[] | null
  /** Of an undo that was done: how many identity events it published, and its name in the audit. */
  events?: number
  receipt?: string
}

export interface IdentityHealth extends Stamp {
  identities: number
  linked_identities: number
  link_share: number | null
  persons: number
  conflicts: number
  overloaded: OverloadedKey[] | null
  biggest: { person_id: string; identities: number }[] | null
  revenue: { currency: string; net: number; unlinked_net: number; unlinked_share: number | null }[] | null
  late_links: { count: number; median_seconds: number; p95_seconds: number } | null
  lag: { pending: number; through: string | null } | null
  dead_letters: number
}

import { describe, expect, it } from 'vitest'
import type { Account } from '../src/api/accounts'
import type { CohortRow, LinkRow } from '../src/api/answers'
import { seriesOf } from '../src/charts/course'
import { flowsOf } from '../src/charts/sankey'
import { nextSort, sorted, type Column } from '../src/parts/table'
import { cohortHeat, cohortValue, lastOffset } from '../src/state/cohorts'
import { mainCurrency } from '../src/state/currencies'
import { graphOf, shorten } from '../src/state/graph'
import { accountsOf, pairsOf } from '../src/state/overlap'
import { isPersonID, lookups } from '../src/state/search'

describe('overlap', () => {
  it('adds exact sets up to pairs', () => {
    const sets = [{ appids: ['a'], buyers: 10 }, { appids: ['a', 'b'], buyers: 4 }, { appids: ['a', 'b', 'c'], buyers: 1 }]
    expect(accountsOf(sets)).toEqual(['a', 'b', 'c'])
    expect(pairsOf(sets)).toEqual({ a: { a: 15, b: 5, c: 1 }, b: { a: 5, b: 5, c: 1 }, c: { a: 1, b: 1, c: 1 } })
  })
})

describe('cohorts', () => {
  const rows: CohortRow[] = [{ currency: 'CNY', cohort: '2026-01', size: 100, months: [
    { offset: 0, buyers: 100, net: 900, cumulative_net: 900 }, { offset: 2, buyers: 25, net: 300, cumulative_net: 1200 },
  ] }]
  it('share the size of the cohort', () => {
    expect(cohortValue(rows[0]!, rows[0]!.months[1]!, 'retention')).toBe(0.25)
    expect(cohortValue(rows[0]!, rows[0]!.months[1]!, 'value')).toBe(12)
    expect(lastOffset(rows)).toBe(2)
    expect(lastOffset([])).toBe(-1)
  })
  it('let the first month warm amounts only', () => {
    expect(rows[0]!.months.map((m) => cohortHeat(rows, 'retention')(rows[0]!, m))).toEqual([0, 1])
    expect(rows[0]!.months.map((m) => cohortHeat(rows, 'net')(rows[0]!, m))).toEqual([1, 1 / 3])
  })
})

describe('currencies', () => {
  it('show the one asked for, else the weightiest', () => {
    const rows = [{ currency: 'USD', n: 1 }, { currency: 'CNY', n: 2 }, { currency: 'USD', n: 3 }]
    expect(mainCurrency('', rows, (r) => r.n)).toBe('USD')
    expect(mainCurrency('CNY', rows, (r) => r.n)).toBe('CNY')
    expect(mainCurrency('', [], () => 0)).toBe('')
  })
})

describe('charts', () => {
  it('arrange points as lines', () => {
    const point = (start: string, appid: string, net: number) => ({ start, appid, net, currency: 'CNY', orders: 0, gross: 0, refunds: 0, buyers: 0 })
    const rows = [point('2026-01-02T00:00:00+08:00', 'b', 2), point('2026-01-01T00:00:00+08:00', 'a', 1), point('2026-01-02T00:00:00+08:00', 'a', 3)]
    expect(seriesOf(rows, 'net')).toEqual({
      starts: ['2026-01-01', '2026-01-02'],
      lines: [{ appid: 'a', values: [1, 3] }, { appid: 'b', values: [null, 2] }],
    })
  })
  it('let no flow lead back to where it came from', () => {
    const flow = (from_appid: string, to_appid: string) => ({ from_appid, to_appid, persons: 2, currency: 'CNY', median_days: 1, net: 1 })
    const { nodes, flows } = flowsOf([flow('a', 'b'), flow('b', 'a'), flow('a', '')])
    expect(nodes).toEqual(['from a', 'from b', 'to b', 'to a'])
    expect(flows.map((f) => [f.source, f.target])).toEqual([['from a', 'to b'], ['from b', 'to a']])
  })
})

describe('tables', () => {
  const columns: Column<{ n: number; s: string }>[] = [
    { key: 'n', label: 'field.net', value: (r) => r.n, end: true }, { key: 's', label: 'field.source', value: (r) => r.s },
  ]
  const rows = [{ n: 2, s: 'b' }, { n: 10, s: 'a' }]
  it('sort numbers as numbers, and leave the order of the API alone', () => {
    expect(sorted(rows, columns, 'n').map((r) => r.n)).toEqual([2, 10])
    expect(sorted(rows, columns, '-n').map((r) => r.n)).toEqual([10, 2])
    expect(sorted(rows, columns, 's').map((r) => r.s)).toEqual(['a', 'b'])
    expect(sorted(rows, columns, 'unknown')).toBe(rows)
  })
  it('turn a sort round', () => {
    expect(nextSort(columns[0]!, '')).toBe('-n')
    expect(nextSort(columns[0]!, '-n')).toBe('n')
    expect(nextSort(columns[1]!, 's')).toBe('-s')
  })
})

describe('search', () => {
  const accounts: Account[] = [
    { appid: 'wx1', name: 'One', kind: 'website', platform: 'p' }, { appid: 'wx2', name: 'Two', kind: 'website', platform: 'p' },
  ]
  const paths = (text: string, kind: Parameters<typeof lookups>[1]) => lookups(text, kind, accounts, 'crm').map((l) => ('path' in l ? l.path : l.id))
  it('tries what a text may be', () => {
    expect(paths('o/1', 'openid')).toEqual(['/v1/identities/wx1/o%2F1', '/v1/identities/wx2/o%2F1'])
    expect(paths('u', 'unionid')).toEqual(['/v1/keys/p/u'])
    expect(paths('M-1', 'member')).toEqual(['/v1/keys/crm/M-1'])
    expect(paths('x', 'any')).toEqual(['/v1/identities/wx1/x', '/v1/identities/wx2/x', '/v1/keys/p/x', '/v1/keys/crm/x'])
  })
  it('knows a person id', () => {
    expect(isPersonID('p_00c0ffee00c0ffee')).toBe(true)
    expect(isPersonID('p_00C0FFEE00C0FFEE')).toBe(false)
    expect(paths('p_00c0ffee00c0ffee', 'any')).toEqual(['p_00c0ffee00c0ffee'])
  })
})

describe('the link graph', () => {
  const link = (appid: string, openid: string, value: string): LinkRow => ({ appid, openid, space: 'p', value, evidence: [] })
  const seen = (appid: string, openid: string) => ({ appid, openid, first_seen: '' })
  const person = {
    identities: [seen('wx2', 'o2'), seen('wx1', 'o1'), seen('wx3', 'o3')],
    keys: [{ space: 'p', value: 'u' }],
    links: [link('wx1', 'o1', 'u'), link('wx2', 'o2', 'u'), link('wx9', 'gone', 'u')],
    migrations: [
      { ...seen('wx1', 'o1'), event_id: 'm', source: '', occurred_at: '', stream_time: '' },
      { ...seen('wx3', 'o3'), event_id: 'm', source: '', occurred_at: '', stream_time: '' },
    ],
  }
  it('stands keys level with their identities, and drops lines that lead nowhere', () => {
    const graph = graphOf(person, (appid) => appid.toUpperCase())
    expect(graph.identities.map((n) => [n.title, n.row])).toEqual([['WX1', 0], ['WX2', 1], ['WX3', 2]])
    expect(graph.keys).toEqual([{ id: 'p u', title: 'p', detail: 'u', row: 1 }])
    expect(graph.edges.map((e) => [e.from, e.to])).toEqual([[0, 1], [1, 1]])
    expect(graph.migrations).toEqual([[0, 2]])
  })
  it('is the same whatever the order of the answer', () => {
    const turned = { ...person, identities: [...person.identities].reverse(), links: [...person.links].reverse() }
    const rows = (g: ReturnType<typeof graphOf>) => g.identities.map((n) => n.id)
    expect(rows(graphOf(turned, String))).toEqual(rows(graphOf(person, String)))
  })
  it('shortens identifiers in their middle', () => {
    expect(shorten('o1_cd00001xxxxxxxxxxxxxxxxxx', 11)).toBe('o1_cd…xxxxx')
    expect(shorten('short')).toBe('short')
  })
})

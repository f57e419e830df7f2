// Flows from one account to the next.

import type { JourneyRow } from '../api/answers'
import { chartBase, type Palette } from './palette'

// An account stands on both sides, and a flow must not lead back, so the sides have names of their own.
const left = (appid: string) => 'from ' + appid
const right = (appid: string) => 'to ' + appid
const appidOf = (node: string) => node.slice(node.indexOf(' ') + 1)

/** The nodes and flows of a drawing: first accounts on the left, next accounts on the right. */
export function flowsOf(rows: JourneyRow[]) {
  const flows = rows.filter((r) => r.persons > 0 && r.to_appid !== '')
  const nodes = [...new Set(flows.map((r) => left(r.from_appid))), ...new Set(flows.map((r) => right(r.to_appid)))]
  return { nodes, flows: flows.map((r) => ({ source: left(r.from_appid), target: right(r.to_appid), value: r.persons })) }
}

/** The chart of the flows. */
export function sankeyOption(p: Palette, rows: JourneyRow[], name: (appid: string) => string, show: (n: number) => string) {
  const { nodes, flows } = flowsOf(rows)
  const appids = [...new Set(nodes.map(appidOf))].sort()
  const base = chartBase(p)
  return {
    ...base,
    tooltip: {
      ...base.tooltip, trigger: 'item',
      formatter: (at: { dataType?: string; name: string; value: number; data: { source?: string; target?: string } }) =>
        at.dataType === 'edge' ? `${name(appidOf(at.data.source ?? ''))} → ${name(appidOf(at.data.target ?? ''))}\n${show(at.value)}` : `${name(appidOf(at.name))}\n${show(at.value)}`,
    },
    series: [{
      type: 'sankey', left: 8, right: 150, top: 8, bottom: 8, nodeGap: 14, draggable: false,
      emphasis: { focus: 'adjacency' },
      lineStyle: { color: 'source', opacity: 0.35 },
      label: { color: p.ink, formatter: (at: { name: string }) => name(appidOf(at.name)) },
      data: nodes.map((node) => ({ name: node, itemStyle: { color: p.colors[appids.indexOf(appidOf(node)) % p.colors.length] } })),
      links: flows,
    }],
  }
}

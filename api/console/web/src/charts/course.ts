// Lines over time.

import type { PointRow } from '../api/answers'
import { chartBase, type Palette } from './palette'

/** Points ready to draw: the starts of the intervals, and one line an account, or one for all. */
export interface Course {
  starts: string[]
  /** One value a start; null where the answer has no point. */
  lines: { appid: string; values: (number | null)[] }[]
}

type Measure = 'net' | 'gross' | 'refunds' | 'orders' | 'buyers'

/** Arranges rows of a time series, in whatever order, as lines. */
export function seriesOf(rows: PointRow[], measure: Measure): Course {
  const starts = [...new Set(rows.map((r) => r.start))].sort()
  const months = starts.length > 1 && starts.every((s) => s.slice(8, 10) === '01')
  const at = new Map(starts.map((start, i) => [start, i]))
  const lines = new Map<string, (number | null)[]>()
  for (const row of rows) {
    const appid = row.appid ?? ''
    const values = lines.get(appid) ?? starts.map(() => null)
    values[at.get(row.start)!] = row[measure]
    lines.set(appid, values)
  }
  return {
    starts: starts.map((s) => s.slice(0, months ? 7 : 10)),
    lines: [...lines].map(([appid, values]) => ({ appid, values })).sort((a, b) => a.appid.localeCompare(b.appid)),
  }
}

/** How a chart writes figures: in full in a tip, short beside an axis. */
export interface Shown {
  full: (n: number) => string
  axis: (n: number) => string
}

/** The chart of a course. */
export function seriesOption(p: Palette, course: Course, name: (appid: string) => string, show: Shown) {
  const base = chartBase(p)
  const many = course.lines.length > 1
  return {
    ...base,
    tooltip: { ...base.tooltip, trigger: 'axis', valueFormatter: (v: unknown) => (typeof v === 'number' ? show.full(v) : '–') },
    legend: { show: many, type: 'plain', bottom: 0, textStyle: { color: p.ink2 } },
    grid: { left: 8, right: 16, top: 16, bottom: many ? 40 : 8, containLabel: true },
    xAxis: { type: 'category', data: course.starts, axisLine: { lineStyle: { color: p.line } }, axisLabel: { color: p.ink2, hideOverlap: true }, axisTick: { show: false } },
    yAxis: { type: 'value', axisLabel: { color: p.ink2, formatter: show.axis, hideOverlap: true }, splitLine: { lineStyle: { color: p.line } }, splitNumber: 4 },
    series: course.lines.map((line) => ({
      type: 'line', name: name(line.appid), data: line.values, showSymbol: course.starts.length < 40, symbolSize: 5, lineStyle: { width: 2 },
      areaStyle: many ? undefined : { opacity: 0.1 },
    })),
  }
}

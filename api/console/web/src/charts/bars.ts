// Stacked horizontal bars.

import type { Shown } from './course'
import { chartBase, type Palette } from './palette'

/** The chart of stacked bars: one bar a name, one part of it a series. */
export function barsOption(p: Palette, names: string[], series: { name: string; values: number[] }[], show: Shown) {
  const base = chartBase(p)
  return {
    ...base,
    tooltip: { ...base.tooltip, trigger: 'axis', axisPointer: { type: 'shadow' }, valueFormatter: (v: unknown) => (typeof v === 'number' ? show.full(v) : '–') },
    legend: { bottom: 0, textStyle: { color: p.ink2 } },
    grid: { left: 8, right: 24, top: 8, bottom: 40, containLabel: true },
    xAxis: { type: 'value', axisLabel: { color: p.ink2, formatter: show.axis, hideOverlap: true }, splitLine: { lineStyle: { color: p.line } }, splitNumber: 4 },
    yAxis: { type: 'category', data: names, axisLine: { lineStyle: { color: p.line } }, axisLabel: { color: p.ink2, width: 130, overflow: 'truncate' }, axisTick: { show: false } },
    series: series.map((s) => ({ type: 'bar', stack: 'all', name: s.name, data: s.values, barMaxWidth: 26 })),
  }
}

// The colours of the page, for charts, which draw on a canvas and know no style sheet.

export interface Palette {
  ink: string
  ink2: string
  line: string
  paper: string
  font: string
  colors: string[]
}

/** Reads the colours as they are now, light or dark. */
export function palette(): Palette {
  const style = getComputedStyle(document.documentElement)
  const variable = (name: string) => style.getPropertyValue(name).trim()
  return {
    ink: variable('--ink'), ink2: variable('--ink-2'), line: variable('--line'), paper: variable('--paper'), font: getComputedStyle(document.body).fontFamily,
    colors: variable('--chart').split(',').map((c) => c.trim()),
  }
}

/** What every chart has in common. Tips are drawn on the canvas, since the page's policy forbids inline styles. */
export function chartBase(p: Palette) {
  return {
    color: p.colors,
    animation: false,
    textStyle: { color: p.ink, fontFamily: p.font },
    tooltip: {
      renderMode: 'richText' as const, confine: true, backgroundColor: p.paper, borderColor: p.line, padding: 10,
      textStyle: { color: p.ink, fontSize: 13, fontFamily: p.font },
    },
  }
}

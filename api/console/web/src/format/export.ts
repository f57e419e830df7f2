// Tables the page itself holds, as files. Reports are exported by the API; this is for the parts of an answer.

/** A line of a table: its fields by name. */
export type Line = object

/** A cell of CSV (RFC 4180). A text that a spreadsheet would run as a formula gets an apostrophe in front. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  let text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = "'" + text
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text
}

/** Lines as CSV with a byte-order mark, without which Excel takes UTF-8 for something else. */
export function toCSV(lines: Line[]): string {
  const names = [...new Set(lines.flatMap((line) => Object.keys(line)))]
  const rows = [names, ...lines.map((line) => names.map((name) => (line as Record<string, unknown>)[name]))]
  return '\uFEFF' + rows.map((row) => row.map(cell).join(',') + '\r\n').join('')
}

/** Lines as NDJSON. */
export function toNDJSON(lines: Line[]): string {
  return lines.map((line) => JSON.stringify(line) + '\n').join('')
}

/** The address at which the API exports the whole of an answer, not the page of it shown. */
export function exportAddress(url: string, format: 'csv' | 'ndjson'): string {
  const [path = '', query = ''] = url.split('?')
  const params = new URLSearchParams(query)
  params.delete('limit')
  params.delete('cursor')
  params.set('format', format)
  if (format === 'csv') params.set('bom', '1')
  return `${path}?${params}`
}

/** Hands a text to the reader as a file. */
export function save(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

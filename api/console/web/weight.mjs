// Holds the weight of the console: what a first visit loads before any chart, and what a page with a chart loads in
// all, both compressed. Run at the end of a build; a page that is too heavy fails it.

import { readFileSync, rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const dist = new URL('../dist/', import.meta.url)
const limits = { first: 150 * 1024, chart: 420 * 1024 }
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist)))

const size = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length

/** Adds the files a chunk needs before it runs: itself, its styles, what it imports. */
function needs(key, files = new Set()) {
  const chunk = manifest[key]
  if (files.has(chunk.file)) return files
  files.add(chunk.file)
  for (const css of chunk.css ?? []) files.add(css)
  for (const next of chunk.imports ?? []) needs(next, files)
  return files
}

const weigh = (files) => [...files].reduce((sum, file) => sum + size(file), 0)
const entry = Object.keys(manifest).find((key) => manifest[key].isEntry)
const start = needs(entry).add('index.html')
const isPage = (key) => manifest[key].src?.startsWith('src/pages/')
let failed = false

function hold(what, bytes, limit) {
  const ok = bytes <= limit
  failed ||= !ok
  console.log(`${ok ? 'ok  ' : 'OVER'} ${(bytes / 1024).toFixed(1).padStart(6)} KB of ${limit / 1024} KB  ${what}`)
}

for (const page of Object.keys(manifest).filter(isPage)) {
  const first = needs(page, new Set(start))
  hold(page, weigh(first), limits.first)
  // A page's charts come through a component it shares with others, so follow what its own chunks load later.
  const later = Object.values(manifest).filter((chunk) => first.has(chunk.file) && !start.has(chunk.file)).flatMap((chunk) => chunk.dynamicImports ?? [])
  const all = later.filter((key) => !isPage(key)).reduce((files, key) => needs(key, files), new Set(first))
  if (all.size > first.size) hold(`${page} with its charts`, weigh(all), limits.chart)
}
rmSync(new URL('.vite', dist), { recursive: true })
process.exit(failed ? 1 : 0)

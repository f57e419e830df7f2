// What every walk has in common: the running demo, a Chromium that watches itself, axe and screenshots.
//
// A page that logs an error, breaks its Content-Security-Policy or throws fails its walk, unless the walk says which
// message it expects. Every wait is for a condition, with a deadline far beyond what a loaded machine needs.

import assert from 'node:assert/strict'
import { mkdtempSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

/** How long a condition may take to hold, in milliseconds. */
export const patience = 60_000

function setting(name) {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; run these walks by: go test ./deploy/browser`)
  return value
}

/** Where everything of the running demo is. */
export const demo = {
  url: setting('UNIONLINK_URL'),
  token: setting('UNIONLINK_TOKEN'),
  simulator: setting('UNIONLINK_SIMULATOR'),
  shops: setting('UNIONLINK_SHOPS').split(','),
}

const artifacts = process.env.UNIONLINK_ARTIFACTS || mkdtempSync(join(tmpdir(), 'unionlink-browser-'))
mkdirSync(artifacts, { recursive: true })

/** A browser; close it in an `after`. */
export function launch() {
  return chromium.launch({
    executablePath: setting('UNIONLINK_CHROMIUM'),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}

const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } }

/** What a visitor's browser is like: language, size, colours. */
export async function visitor(browser, { lang = 'zh-CN', size = 'phone', scheme = 'light' } = {}) {
  const context = await browser.newContext({
    locale: lang, viewport: sizes[size], colorScheme: scheme, hasTouch: size === 'phone', isMobile: size === 'phone',
    timezoneId: 'Asia/Shanghai', acceptDownloads: true, reducedMotion: 'reduce',
  })
  context.setDefaultTimeout(patience)
  return context
}

/** A page whose faults are collected; `expected` are messages that belong to the walk. */
export async function open(context, expected = []) {
  const page = await context.newPage()
  const faults = []
  const note = (text) => { if (!expected.some((e) => e.test(text))) faults.push(`${page.url().split('?')[0]}: ${text}`) }
  page.on('console', (m) => { if (m.type() === 'error') note(`${m.text()} ${m.location().url.split('?')[0]}`) })
  page.on('pageerror', (e) => note(String(e)))
  page.faults = faults
  return page
}

/** Fails if the page logged an error, broke its policy or threw. */
export function assertQuiet(page) {
  assert.deepEqual(page.faults, [])
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Fails on serious and critical findings of axe. */
export async function assertAccessible(page) {
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] })
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .map((v) => ({ rule: v.id, help: v.help, where: v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')}: ${n.failureSummary}`) }))
  })
  assert.deepEqual(found, [], `axe on ${page.url().split('?')[0]}`)
}

/** Fails if the page is wider than its window. */
export async function assertFits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.ok(over <= 0, `${page.url().split('?')[0]} is ${over} pixels too wide`)
}

/** Keeps a picture of the page among the artefacts of the run. */
export async function picture(page, name) {
  await page.evaluate(() => window.scrollTo(0, 0)) // what sticks to the window would hide a part of the page
  await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true })
}

/** Asks the analysts' API. */
export async function ask(path) {
  const response = await fetch(demo.url + path, { headers: { Authorization: `Bearer ${demo.token}` } })
  assert.equal(response.status, 200, path)
  return response.json()
}

/** Waits until a condition, asked again and again, holds; it answers with what the condition did. */
export async function until(what, condition) {
  const ends = Date.now() + patience
  for (;;) {
    const got = await condition()
    if (got) return got
    assert.ok(Date.now() < ends, `not within ${patience / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

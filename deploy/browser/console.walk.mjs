// The main path of each page of the analysts' console: every page on a phone, in Chinese, light, and on a desktop, in
// English, dark; the two densest pages the other way round too. What a page shows is held against the API's answer.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, assertAccessible, assertFits, assertQuiet, demo, launch, open, patience, picture, until, visitor } from './walk.mjs'

const timeout = 5 * 60_000
let browser
before(async () => { browser = await launch() })
after(() => browser?.close())

// Browsers put these answers into their console, though the page deals with them: there is no session yet, and a search
// that takes a text for anything asks for all that it may be.
const dealtWith = [/status of 401 .*\/v1\/session$/, /status of 404 .*\/v1\/(identities|keys|persons)\//]

/** Opens the console and signs in. */
async function signIn(page) {
  await page.goto(demo.url + '/')
  await page.locator('input[name=token]').fill(demo.token)
  await page.locator('button[type=submit]').click()
  await page.locator('nav').waitFor({ state: 'attached' })
  await page.locator('main h1').first().waitFor()
}

/** Goes to a page by the menu, which a phone folds. */
async function go(page, path) {
  const link = page.locator(`nav a[href^="${path}"]`).first()
  if (!await link.isVisible()) await page.locator('button[aria-controls=pages]').click()
  const [from, title] = [new URL(page.url()).pathname, page.locator('main h1').first()]
  const before = await title.innerText()
  await link.click()
  await until(`${path} in the place of ${from}`, async () => from === path || await title.innerText() !== before)
  await until(`the answers on ${path}`, async () => await page.locator('main [aria-busy=true], main .pulse').count() === 0)
}

const digits = (text) => Number(text.replace(/[^0-9]/g, ''))
const rows = (page) => page.locator('main tbody tr')

/** Waits for a table of so many rows. */
const rowsAre = (page, n) => until(`${n} rows on ${page.url()}`, async () => await rows(page).count() === n)

/** The chart of a page is drawn. */
const chart = (page) => page.locator('main canvas').first().waitFor()

/** Somebody who bought in all three accounts. */
async function customer() {
  const { rows: top } = await ask('/v1/reports/top-persons?limit=200')
  return top.find((r) => r.accounts === 3)
}

/** Reports whose table has a row for each of the API's. */
const likeReport = (name) => async (page) => rowsAre(page, (await ask(`/v1/reports/${name}`)).rows.length)

// Each page's path, and what proves that its main path works.
const pages = {
  '/': async (page) => {
    await chart(page)
    const [row] = (await ask('/v1/reports/summary')).rows
    await until('the number of buyers', async () => digits(await page.locator('.tile dd.value a').first().innerText()) === row.buyers)
  },
  '/accounts': async (page) => {
    await chart(page)
    await likeReport('accounts')(page)
    const header = page.locator('main thead th').nth(1)
    await header.locator('button').click()
    assert.notEqual(await header.getAttribute('aria-sort'), 'none')
  },
  '/products': async (page) => { await likeReport('products?limit=100')(page) },
  '/refunds': async (page) => { await likeReport('refunds')(page) },
  '/overlap': async (page) => {
    const { rows: sets } = await ask('/v1/reports/overlap')
    await rowsAre(page, sets.length + 3) // and the matrix of three accounts
  },
  '/cohorts': async (page) => {
    await likeReport('cohorts')(page)
    await page.locator('main [role=radio], main .tabs button, main fieldset label').nth(1).click()
    await page.waitForURL(/measure=/)
  },
  '/segments': async (page) => { await likeReport('rfm')(page) },
  '/journeys': async (page) => { await chart(page); await likeReport('journeys')(page) },
  '/persons': async (page) => { await rowsAre(page, 50) },
  '/identity-health': async (page) => {
    const health = await ask('/v1/health/identity')
    await until('the number of identities', async () => (await page.locator('main dd').allInnerTexts()).some((t) => digits(t) === health.identities))
  },
  '/operations': async (page) => { await page.locator('main dd').nth(2).waitFor() },
}

/** Finds a person by an openid, reads why they are one, and tries what undoing a link would move. */
async function findPerson(page) {
  const who = await customer()
  const person = await ask(`/v1/persons/${who.person_id}`)
  await go(page, '/persons')
  await page.locator('input[name=q]').fill(person.identities[0].openid)
  await page.locator('form[role=search] button[type=submit]').click()
  await page.waitForURL((url) => url.pathname === `/persons/${who.person_id}`)
  await page.locator('main svg[role=img]').waitFor()
  for (const identity of person.identities) await page.getByText(identity.openid).first().waitFor({ state: 'attached' })
  await page.locator('form.row select').selectOption({ index: 1 })
  await page.locator('form.row button[type=submit]').last().click()
  await page.getByText(/Dry run: nothing has changed|试运行：尚未做任何更改/).first().waitFor()
  assert.equal((await ask(`/v1/persons/${who.person_id}`)).identities.length, person.identities.length, 'a dry run changes nothing')
}

async function look(page, name) {
  await assertAccessible(page)
  await assertFits(page)
  await picture(page, name)
}

async function walkAll(kind) {
  const context = await visitor(browser, kind)
  const page = await open(context, dealtWith)
  const name = (path) => `console-${path.slice(1) || 'overview'}-${kind.lang}-${kind.size}-${kind.scheme}`
  await page.goto(demo.url + '/')
  await page.locator('input[name=token]').waitFor()
  await look(page, name('/sign-in'))
  await signIn(page)
  for (const [path, proof] of Object.entries(pages)) {
    await go(page, path)
    await proof(page)
    await look(page, name(path))
  }
  await findPerson(page)
  await look(page, name('/person'))
  assertQuiet(page)
  await context.close()
}

test('every page in Chinese, light, on a phone', { timeout }, () => walkAll({ lang: 'zh-CN', size: 'phone', scheme: 'light' }))

test('every page in English, dark, on a desktop', { timeout }, () => walkAll({ lang: 'en-GB', size: 'desktop', scheme: 'dark' }))

for (const kind of [{ lang: 'en-GB', size: 'phone', scheme: 'light' }, { lang: 'zh-CN', size: 'desktop', scheme: 'dark' }]) {
  test(`overview, overlap and person: ${Object.values(kind).join(' ')}`, { timeout }, async () => {
    const context = await visitor(browser, kind)
    const page = await open(context, dealtWith)
    await signIn(page)
    for (const path of ['/', '/overlap']) {
      await go(page, path)
      await pages[path](page)
      await look(page, `console-${path.slice(1) || 'overview'}-${kind.lang}-${kind.size}-${kind.scheme}`)
    }
    await findPerson(page)
    await look(page, `console-person-${kind.lang}-${kind.size}-${kind.scheme}`)
    assertQuiet(page)
    await context.close()
  })
}

test('language and theme are chosen by hand, and last; signing out ends the session', { timeout }, async () => {
  const context = await visitor(browser, { lang: 'en-GB', size: 'desktop', scheme: 'light' })
  const page = await open(context, dealtWith)
  await page.goto(demo.url + '/overlap')
  await page.locator('input[name=token]').fill('not-a-token')
  await page.locator('button[type=submit]').click()
  await page.locator('[role=alert].bad').waitFor()
  await page.locator('input[name=token]').fill(demo.token)
  await page.locator('button[type=submit]').click()
  await page.waitForURL((url) => url.pathname === '/overlap') // where the visitor wanted to go
  await page.locator('.prefs select').first().selectOption('zh-CN')
  await page.locator('.prefs select').nth(1).selectOption('dark')
  await page.locator('h1', { hasText: '账号重合' }).waitFor()
  await page.reload()
  await page.locator('h1', { hasText: '账号重合' }).waitFor()
  assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
  await page.locator('.who button').click()
  await page.waitForURL((url) => url.pathname === '/sign-in')
  await page.goto(demo.url + '/overlap')
  await page.locator('input[name=token]').waitFor()
  assertQuiet(page)
  await context.close()
})

/** Counts the bytes that come over the wire for scripts, styles and the page itself. */
async function wire(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  const files = new Map()
  let bytes = 0
  session.on('Network.responseReceived', (e) => files.set(e.requestId, e.type))
  session.on('Network.loadingFinished', (e) => {
    if (['Document', 'Script', 'Stylesheet'].includes(files.get(e.requestId))) bytes += e.encodedDataLength
  })
  return () => bytes
}

test('the first load is light, charts come after it', { timeout }, async () => {
  const context = await visitor(browser, { lang: 'en-GB', size: 'desktop' })
  const page = await open(context, dealtWith)
  const bytes = await wire(page)
  await page.goto(demo.url + '/')
  await page.locator('input[name=token]').waitFor()
  const first = bytes()
  assert.ok(first > 0 && first <= 150 * 1024, `first load: ${first} bytes`)
  await signIn(page)
  await page.locator('main canvas').waitFor({ timeout: patience })
  assert.ok(bytes() > first && bytes() <= 420 * 1024, `with a chart: ${bytes()} bytes`)
  assertQuiet(page)
  await context.close()
})

// A newcomer who has read nothing: from the address that `up --demo` prints to the answer of "which customers of shop A
// also buy in shop B", as a file for Excel. The walk tells clicks and seconds.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { ask, assertQuiet, demo, launch, open, picture, visitor } from './walk.mjs'

let browser
before(async () => { browser = await launch() })
after(() => browser?.close())

const shopA = 'Tea House 茶铺'
const shopB = 'Teaware 茶具网'

test('which customers of shop A also buy in shop B, for Excel', { timeout: 5 * 60_000 }, async (t) => {
  const context = await visitor(browser, { lang: 'en-GB', size: 'desktop' })
  const page = await open(context, [/status of 401 .*\/v1\/session$/])
  let clicks = 0
  const click = (locator) => { clicks++; return locator.click() }

  const began = performance.now()
  await page.goto(demo.url + '/')
  await page.getByLabel('Analyst token').fill(demo.token) // as the terminal and the page say
  await click(page.getByRole('button', { name: 'Sign in' }))
  await click(page.getByRole('link', { name: 'Overlap' }))
  const pair = page.getByRole('row', { name: new RegExp(`^${shopA}`) }).last()
    .getByRole('cell').nth(await columnOf(page, shopB))
  const shown = Number((await pair.getByRole('link').innerText()).replace(/\D/g, ''))
  await click(pair.getByRole('link'))
  await page.getByRole('heading', { name: 'Persons', exact: true }).waitFor()
  await page.getByRole('row').nth(1).waitFor()
  const download = page.waitForEvent('download')
  await click(page.getByRole('link', { name: 'CSV (Excel)' }))
  const file = await download
  const bytes = readFileSync(await file.path())
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  await picture(page, 'newcomer-customers-of-both')

  assert.ok(file.suggestedFilename().endsWith('.csv'))
  assert.deepEqual([...bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf], 'Excel needs the byte order mark')
  const lines = bytes.toString('utf8').trim().split(/\r?\n/)
  const { rows: pairs } = await ask('/v1/reports/overlap?kind=pairs')
  const both = pairs.find((r) => ['wxdemo000teahouse1', 'wxdemo0000teaware3'].every((a) => r.appids.includes(a)))
  assert.equal(shown, both.buyers)
  assert.equal(lines.length - 1, both.buyers, 'a line for each person')
  assert.equal(clicks, 4)
  t.diagnostic(`${clicks} clicks, ${seconds} s`)
  assertQuiet(page)
  await context.close()
})

/** The place of an account among the cells of the matrix of pairs. */
async function columnOf(page, name) {
  const header = page.getByRole('region', { name: 'Accounts in pairs' }).getByRole('columnheader')
  await header.first().waitFor()
  const names = await header.allInnerTexts()
  assert.ok(names.includes(name), names.join(', '))
  return names.indexOf(name)
}

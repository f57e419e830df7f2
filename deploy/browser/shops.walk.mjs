// A visitor's way through the three shops: three accounts of one Open Platform account, and a simulated WeChat.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, assertAccessible, assertFits, assertQuiet, demo, launch, open, picture, until, visitor } from './walk.mjs'

const [teaHouse, teaToGo, teaware] = demo.shops
const timeout = 5 * 60_000
let browser
before(async () => { browser = await launch() })
after(() => browser?.close())

/** Where WeChat's page is. */
const atWeChat = (url) => url.href.startsWith(demo.simulator + '/connect/')

/** Decides on WeChat's page: as a new user of this nickname, or as who is signed in. */
async function decide(page, decision, nickname = '') {
  await page.waitForURL(atWeChat)
  if (nickname) await page.locator('input[name=nickname]').fill(nickname)
  await page.locator(`button[value=${decision}]`).click()
}

/** Opens a shop and logs in with profile. */
async function logIn(page, shop, nickname) {
  await page.goto(shop + '/')
  await page.locator('#consent').click()
  await decide(page, 'allow', nickname)
  await page.locator('#known').waitFor()
}

/** Buys the first thing on the shelf and answers with its price, in fen. */
async function buy(page) {
  const price = await page.locator('.shelf li').first().locator('.price').innerText()
  await page.locator('.shelf button').first().click()
  await page.locator('#note', { hasText: /已计入|Counted/ }).waitFor()
  return fen(price)
}

const fen = (text) => Math.round(Number(text.replace(/[^0-9.]/g, '')) * 100)

/** Waits until the page shows this total, in fen. */
const total = (page, amount) => until(`a total of ${amount} fen`, async () => fen(await page.locator('#net').innerText()) === amount)

const personOn = (page) => page.locator('#person').innerText()

/** The person whom an id names by now: a purchase may be counted a moment before the login's link. */
const present = async (id) => (await ask(`/v1/persons/${id}`)).person_id

test('a person buys in three shops, is one person once they consent, and sees the total move', { timeout }, async () => {
  const context = await visitor(browser)
  const page = await open(context)
  await page.goto(teaHouse + '/')
  await assertAccessible(page)
  await assertFits(page)
  await picture(page, 'shop-1-stranger-zh-phone-light')

  await logIn(page, teaHouse, '小王')
  assert.match(await page.locator('#hello').innerText(), /小王/)
  assert.equal(new URL(page.url()).searchParams.get('code'), null, 'the code stays in the address')
  const first = await buy(page)
  await total(page, first)

  await page.locator('nav a', { hasText: '茶饮' }).click()
  await page.locator('#enter').click()
  await page.locator('#known').waitFor() // silently: without a page of WeChat's
  assert.ok(page.url().startsWith(teaToGo))
  const second = await buy(page)
  await total(page, second)
  const alone = await personOn(page)

  await page.locator('#link').click()
  await decide(page, 'allow')
  await page.locator('#hello', { hasText: '小王' }).waitFor()
  await total(page, first + second)
  await picture(page, 'shop-2-joined-zh-phone-light')
  await assertAccessible(page)
  await assertFits(page)

  const id = await personOn(page)
  const person = await ask(`/v1/persons/${id}`)
  assert.equal(person.identities.length, 2)
  assert.deepEqual(person.totals.map((t) => t.net).sort(), [first, second].sort())
  assert.equal(await present(alone), id, 'the former id leads to the person')

  await logIn(page, teaware, '')
  await total(page, first + second) // the third shop sells to somebody it knows
  const third = await buy(page)
  await total(page, first + second + third)
  assert.equal((await ask(`/v1/persons/${id}`)).identities.length, 3)
  assertQuiet(page)
  await context.close()
})

test('the shops in English, dark, on a desktop', { timeout }, async () => {
  const context = await visitor(browser, { lang: 'en-GB', size: 'desktop', scheme: 'dark' })
  const page = await open(context)
  await logIn(page, teaHouse, 'Wang')
  await page.locator('#hello', { hasText: 'Hello, Wang' }).waitFor()
  await buy(page)
  await assertAccessible(page)
  await picture(page, 'shop-1-known-en-desktop-dark')
  await page.locator('#language').click()
  await page.locator('#hello', { hasText: '您好' }).waitFor() // still logged in, in the other language
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
  assertQuiet(page)
  await context.close()
})

test('who refuses stays a stranger', { timeout }, async () => {
  const context = await visitor(browser)
  const page = await open(context)
  await page.goto(teaHouse + '/')
  await page.locator('#consent').click()
  await decide(page, 'refuse')
  await page.getByText('已拒绝授权').waitFor() // an official account's page ends here
  await page.goto(teaHouse + '/')
  assert.ok(await page.locator('#stranger').isVisible())
  assert.ok(await page.locator('.shelf button').first().isDisabled())

  await page.goto(teaware + '/')
  await page.locator('#consent').click()
  await decide(page, 'refuse') // a website's user comes back
  await page.locator('#note', { hasText: '您拒绝了授权' }).waitFor()
  assert.ok(await page.locator('#stranger').isVisible())
  assertQuiet(page)
  await context.close()
})

test('a snapshot visitor looks around, and is somebody with the full service', { timeout }, async () => {
  const context = await visitor(browser)
  const page = await open(context, [/status of 403 .*\/api\/user\/wechat\/login$/])
  const before = (await ask('/v1/health/identity')).identities
  await page.goto(teaHouse + '/')
  await page.locator('#consent').click()
  await decide(page, 'snapshot', '快照')
  await page.locator('#note', { hasText: '快照模式' }).waitFor()
  assert.ok(await page.locator('#stranger').isVisible())
  assert.equal((await ask('/v1/health/identity')).identities, before, 'a snapshot user is no identity')
  await picture(page, 'shop-1-snapshot-zh-phone-light')

  await page.locator('#consent', { hasText: '使用完整服务' }).click()
  await decide(page, 'allow', '完整')
  await page.locator('#hello', { hasText: '完整' }).waitFor()
  assertQuiet(page)
  await context.close()
})

/** Logs in and answers with the address by which WeChat's code came back to the shop. */
async function addressWithCode(page, shop, nickname) {
  const back = page.waitForRequest((r) => r.url().startsWith(shop + '/?') && new URL(r.url()).searchParams.has('code'))
  await logIn(page, shop, nickname)
  return (await back).url()
}

test('a reload, and the same code once more, log the same visitor in', { timeout }, async () => {
  const context = await visitor(browser)
  const page = await open(context)
  const address = await addressWithCode(page, teaHouse, '小李')
  await buy(page)
  const id = await personOn(page)
  await page.reload()
  await page.locator('#hello', { hasText: '小李' }).waitFor()
  const tab = await open(context) // with a session of its own: the code is all it has
  await tab.goto(address)
  await tab.locator('#hello', { hasText: '小李' }).waitFor()
  await until('the same person', async () => await personOn(tab) === await present(id))
  assertQuiet(page)
  assertQuiet(tab)
  await context.close()
})

test('a shared link does not log its receiver in as its sender', { timeout }, async () => {
  const sender = await visitor(browser)
  const page = await open(sender)
  const address = await addressWithCode(page, teaHouse, '发送者')
  await buy(page)
  const id = await personOn(page)

  const receiver = await visitor(browser)
  const other = await open(receiver, [/status of 403 .*\/api\/user\/wechat\/login$/])
  await other.goto(address)
  await decide(other, 'allow', '接收者') // the code is worth nothing here: WeChat is asked who this is
  await other.locator('#known').waitFor()
  await buy(other)
  assert.notEqual(await present(await personOn(other)), await present(id))
  assertQuiet(page)
  assertQuiet(other)
  await sender.close()
  await receiver.close()
})

/** A code that the simulator minted for a new user of the tea house. */
async function freshCode() {
  const say = async (path, body) => {
    const response = await fetch(demo.simulator + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
    assert.ok(response.ok, path)
    return response.json()
  }
  const { first } = await say('/_sim/users', { count: 1 })
  return (await say('/_sim/codes', { appid: 'wxdemo000teahouse1', user: first, scope: 'snsapi_userinfo' })).code
}

test('a tampered state logs nobody in', { timeout }, async () => {
  const context = await visitor(browser)
  const page = await open(context, [/status of 403 .*\/callback$/])
  await page.goto(teaHouse + '/')
  await page.locator('#consent').click()
  await page.waitForURL(atWeChat)
  const state = new URL(page.url()).searchParams.get('state')
  const callback = `${demo.url}/wechat/wxdemo000teahouse1/callback?code=${await freshCode()}&state=`
  for (const tampered of [state.slice(0, -1) + (state.endsWith('A') ? 'B' : 'A'), '', 'x'.repeat(200)]) {
    const answer = await page.goto(callback + tampered)
    assert.equal(answer.status(), 403)
    assert.ok(page.url().startsWith(demo.url), 'the browser stays')
    await page.getByText('登录未完成').waitFor()
  }
  await picture(page, 'login-not-complete-phone')
  await page.goto(teaHouse + '/')
  assert.ok(await page.locator('#stranger').isVisible())
  assertQuiet(page)
  await context.close()
})

test('a foreign return_to is refused', { timeout }, async () => {
  const context = await visitor(browser)
  const page = await open(context, [/status of 400 .*\/authorize$/])
  const authorize = `${demo.url}/wechat/wxdemo000teahouse1/authorize?return_to=`
  for (const foreign of ['https://shop.example/', '//shop.example/', teaHouse + '.shop.example/', teaHouse.replace('//', '//shop.example@') + '/', teaHouse + '\\@shop.example/']) {
    const answer = await page.goto(authorize + encodeURIComponent(foreign))
    assert.equal(answer.status(), 400, foreign)
    assert.ok(page.url().startsWith(authorize), foreign)
    await page.getByText('return_to').waitFor()
  }
  assertQuiet(page)
  await context.close()
})

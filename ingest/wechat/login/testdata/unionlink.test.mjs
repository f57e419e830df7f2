// Run by TestScript: unionlink.js in a page made of the few things that it touches.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import vm from 'node:vm';

const source = readFileSync(new URL('../unionlink.js', import.meta.url), 'utf8');
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
const session = seconds => `h.${part({ exp: Date.now() / 1000 + seconds })}.s`;

function open(href, store, answer) {
  const location = { href, assigned: null, assign(to) { this.assigned = to; } };
  const posted = [];
  const page = {
    URL, URLSearchParams, atob, location, posted,
    history: { state: null, replaceState(_state, _title, to) { location.href = to; } },
    document: { currentScript: { src: 'https://login.example/wechat/unionlink.js' } },
    sessionStorage: {
      getItem: key => (key in store ? store[key] : null),
      setItem: (key, value) => { store[key] = value; },
      removeItem: key => { delete store[key]; },
    },
    fetch: async (to, request) => {
      posted.push({ to, credentials: request.credentials, body: JSON.parse(request.body) });
      return { json: async () => answer };
    },
  };
  page.window = page;
  vm.createContext(page);
  vm.runInContext(source, page);
  return page;
}

test('without a code the page goes to WeChat and asks to come back', () => {
  const page = open('https://shop.example/a?x=1#f', {});
  page.unionlink.login({ appid: 'wx1', scope: 'snsapi_userinfo' });
  const to = new URL(page.location.assigned);
  assert.equal(to.origin + to.pathname, 'https://login.example/wechat/wx1/authorize');
  assert.equal(to.searchParams.get('return_to'), 'https://shop.example/a?x=1#f');
  assert.equal(to.searchParams.get('scope'), 'snsapi_userinfo');
});

test('with a code it posts it, cleans the address and keeps the answer until its session ends', async () => {
  const store = {};
  const data = { openid: 'oA', session_token: session(3600) };
  const page = open('https://shop.example/a?x=1&appid=wx1&code=C&state=S#f', store, { code: 0, data });
  assert.deepEqual({ ...await page.unionlink.login({ appid: 'wx1' }) }, data);
  assert.equal(page.location.href, 'https://shop.example/a?x=1#f');
  assert.deepEqual(page.posted, [{
    to: 'https://login.example/api/user/wechat/login', credentials: 'include', body: { appid: 'wx1', code: 'C', state: 'S' },
  }]);

  const later = open('https://shop.example/b', store);
  assert.equal((await later.unionlink.login({ appid: 'wx1' })).openid, 'oA');
  assert.equal(later.location.assigned, null);
  later.unionlink.logout('wx1');
  assert.deepEqual(store, {});

  store['unionlink:wx1'] = JSON.stringify({ openid: 'oA', session_token: session(30) });
  const ended = open('https://shop.example/b', store);
  ended.unionlink.login({ appid: 'wx1' });
  assert.notEqual(ended.location.assigned, null);
});

test('another page parameter named code is left alone', () => {
  const page = open('https://shop.example/a?code=COUPON', {});
  page.unionlink.login({ appid: 'wx1' });
  assert.equal(page.posted.length, 0);
  assert.equal(page.location.href, 'https://shop.example/a?code=COUPON');
});

test('a snapshot visitor is told to the page, which does not go to WeChat again', async () => {
  const page = open('https://shop.example/a?appid=wx1&unionlink_error=1004', {});
  await assert.rejects(page.unionlink.login({ appid: 'wx1' }), { code: 1004 });
  assert.equal(page.location.assigned, null);
});

test('a spent code is tried anew three times, never for ever', async () => {
  const store = {};
  const back = () => open('https://shop.example/a?appid=wx1&unionlink_error=40163', store);
  for (let i = 0; i < 3; i++) {
    const page = back();
    page.unionlink.login({ appid: 'wx1' });
    await new Promise(setImmediate);
    assert.notEqual(page.location.assigned, null);
  }
  await assert.rejects(back().unionlink.login({ appid: 'wx1' }), { code: 40163 });
});

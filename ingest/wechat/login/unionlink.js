// unionlink.js: log a visitor in with WeChat, on any page.
//
//   <script src="https://login.shop.example/wechat/unionlink.js"></script>
//   <script>
//     unionlink.login({ appid: "wx…" }).then(user => …, error => …)
//   </script>
//
// Without a code in the address it goes to WeChat and does not come back from the
// promise; with one it posts it, cleans the address and resolves to
// { person_id, appid, openid, unionid, nickname, headimgurl, session_token }.
// The answer is kept for the tab's session, until its session_token ends.
//
// An error has .code: WeChat's errcode, or unionlink's (1004: a snapshot visitor;
// show what can be seen without logging in, and offer 使用完整服务).
(function () {
  'use strict';
  var script = document.currentScript;
  var origin = script ? new URL(script.src, location.href).origin : location.origin;
  var memory = {};

  function read(key) {
    try { return sessionStorage.getItem(key); } catch (e) { return memory[key] || null; }
  }
  function write(key, value) {
    memory[key] = value;
    try {
      if (value === null) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, value);
    } catch (e) { /* a private window: memory has it */ }
  }

  function failure(code, message) {
    var error = new Error(message);
    error.code = code;
    return error;
  }

  // kept returns the stored answer whose session lasts another minute at least.
  function kept(key, scope) {
    try {
      var user = JSON.parse(read(key));
      var part = user.session_token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
      var ends = JSON.parse(atob(part)).exp;
      if (scope === 'snsapi_userinfo' && !user.nickname && !user.headimgurl) return null;
      return ends > Date.now() / 1000 + 60 ? user : null;
    } catch (e) { return null; }
  }

  // taken removes what WeChat and unionlink put into the address, and returns it.
  function taken(appid) {
    var here = new URL(location.href), query = here.searchParams;
    if (query.get('appid') !== appid) return null;
    var got = { code: query.get('code'), state: query.get('state'), error: query.get('unionlink_error') };
    if (!got.code && !got.error) return null;
    ['appid', 'code', 'state', 'unionlink_error'].forEach(function (name) { query.delete(name); });
    history.replaceState(history.state, '', here.href);
    return got;
  }

  function post(base, appid, got) {
    return fetch(base + '/api/user/wechat/login', {
      method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ appid: appid, code: got.code, state: got.state })
    }).then(function (response) {
      return response.json();
    }).then(function (answer) {
      if (answer.code !== 0) throw failure(answer.code, answer.msg);
      return answer.data;
    });
  }

  // Codes that are cured by a new authorization: spent, expired, lost on the way.
  var again = [40029, 40163, 42003, 1003, 1006];

  function login(options) {
    var appid = options.appid, scope = options.scope || '';
    var base = options.base || origin;
    var key = 'unionlink:' + appid, tries = key + ':tries';
    var user = kept(key, scope), got = taken(appid);
    if (user && !got) return Promise.resolve(user);

    function begin() {
      write(tries, String(Number(read(tries) || 0) + 1));
      var query = new URLSearchParams({ return_to: options.returnTo || location.href });
      if (scope) query.set('scope', scope);
      location.assign(base + '/wechat/' + encodeURIComponent(appid) + '/authorize?' + query);
      return new Promise(function () {}); // the page goes away
    }
    function retry(error) {
      if (again.indexOf(error.code) >= 0 && Number(read(tries) || 0) < 3) return begin();
      write(tries, null);
      throw error;
    }
    if (!got) return begin();
    if (got.error) {
      return Promise.resolve().then(function () {
        return retry(failure(Number(got.error), 'wechat login: ' + got.error));
      });
    }
    return post(base, appid, got).then(function (answer) {
      write(tries, null);
      write(key, JSON.stringify(answer));
      return answer;
    }).catch(retry);
  }

  window.unionlink = {
    login: login,
    logout: function (appid) { write('unionlink:' + appid, null); }
  };
})();

// The shop's page: log in by unionlink.js, buy, and show the person's total over all shops.
(function () {
  'use strict';
  var config = JSON.parse(document.getElementById('config').textContent);
  var texts = config.texts;
  var user = null; // unionlink.js's answer
  var awaited = {}; // orders that are not in the total yet

  function at(id) { return document.getElementById(id); }
  function show(id, on) { if (at(id)) at(id).hidden = !on; }
  function say(text) {
    at('note').textContent = text;
    show('note', text !== '');
  }
  function fill(text, name, value) { return text.replace('{' + name + '}', value); }

  function money(amount, currency) {
    var format = new Intl.NumberFormat(config.lang, { style: 'currency', currency: currency, currencyDisplay: 'narrowSymbol' });
    return format.format(amount / Math.pow(10, format.resolvedOptions().maximumFractionDigits));
  }

  // What this tab is to find again after a reload, or after WeChat: the scope that was asked
  // for, and whether somebody is logged in by it.
  function recall(name) {
    try { return sessionStorage.getItem('shop:' + name); } catch (e) { return null; }
  }
  function remember(name, value) {
    try {
      if (value === null) sessionStorage.removeItem('shop:' + name);
      else sessionStorage.setItem('shop:' + name, value);
    } catch (e) { /* a private window: a reload begins anew */ }
  }

  function login(wanted) {
    remember('scope', wanted);
    unionlink.login({ appid: config.appid, scope: wanted }).then(enter, failed);
  }

  function enter(answer) {
    user = answer;
    remember('in', '1');
    var named = answer.nickname !== '';
    say('');
    at('hello').textContent = named ? fill(texts.hello, 'name', answer.nickname) : texts.hello_nameless;
    show('stranger', false);
    show('known', true);
    show('link', !named);
    show('total', true);
    document.querySelectorAll('[data-sku]').forEach(function (b) { b.disabled = false; });
    refresh();
  }

  function leave(text) {
    user = null;
    remember('in', null);
    unionlink.logout(config.appid);
    show('known', false);
    show('total', false);
    show('stranger', true);
    document.querySelectorAll('[data-sku]').forEach(function (b) { b.disabled = true; });
    say(text);
  }

  function failed(error) {
    if (error.code === 1004) {
      leave(texts.snapshot);
      at('consent').textContent = texts.full;
    } else if (error.code === 1008) {
      leave(texts.refused);
    } else {
      leave(fill(texts.failed, 'code', error.code || error.message));
    }
  }

  function ask(path, options) {
    options.headers = { Authorization: 'Bearer ' + user.session_token, 'Content-Type': 'application/json' };
    return fetch(path, options).then(function (response) {
      if (response.status === 401) {
        leave(texts.ended);
        throw new Error('401');
      }
      if (!response.ok) throw new Error(String(response.status));
      return response.json();
    });
  }

  function buy(event) {
    var button = event.currentTarget, label = button.textContent;
    button.disabled = true;
    button.textContent = texts.buying;
    ask('/api/orders', { method: 'POST', body: JSON.stringify({ sku: button.dataset.sku, quantity: 1 }) }).then(function (order) {
      awaited[order.order_id] = true;
      say(fill(texts.bought, 'amount', money(order.amount, order.currency)));
    }, function () {
      if (user) say(texts.not_stored);
    }).then(function () {
      button.textContent = label;
      button.disabled = user === null;
    });
  }

  function item(tag, texts) {
    var row = document.createElement(tag === 'tr' ? 'tr' : 'li');
    texts.forEach(function (text, i) {
      if (tag !== 'tr') { row.append(text); return; }
      var cell = document.createElement('td');
      cell.textContent = text;
      row.append(cell);
    });
    return row;
  }

  function draw(person) {
    var sums = {};
    person.totals.forEach(function (t) { sums[t.currency] = (sums[t.currency] || 0) + t.net; });
    var net = Object.keys(sums).sort().map(function (c) { return money(sums[c], c); }).join(' + ') || texts.nothing;
    if (at('net').textContent !== net) at('net').textContent = net;
    at('accounts').replaceChildren.apply(at('accounts'), person.totals.map(function (t) {
      return item('tr', [config.shops[t.appid] || t.appid, String(t.orders), money(t.net, t.currency)]);
    }));
    at('orders').replaceChildren.apply(at('orders'), person.orders.map(function (o) {
      var what = (o.items || []).map(function (i) { return i.name; }).join(', ') || o.order_id;
      return item('li', [what + ' · ' + (config.shops[o.appid] || o.appid) + ' · ' + money(o.amount, o.currency)]);
    }));
    at('person').textContent = person.person_id;
    at('why').href = config.console + (person.person_id ? '/persons/' + person.person_id : '/');
    at('state').textContent = person.keys.length > 0 ? texts.joined : texts.alone;
    person.orders.forEach(function (o) {
      if (!awaited[o.order_id]) return;
      delete awaited[o.order_id];
      if (Object.keys(awaited).length === 0) say(texts.counted);
    });
  }

  // refresh asks for the total again and again, while somebody looks.
  var timer = 0, pause = 1500;
  function refresh() {
    clearTimeout(timer);
    if (!user) return;
    if (document.hidden) { timer = setTimeout(refresh, pause); return; }
    ask('/api/me', {}).then(draw).catch(function () { /* the next one may be answered */ }).then(function () {
      timer = setTimeout(refresh, pause);
    });
  }

  if (!window.unionlink) {
    say(texts.no_script);
    return;
  }
  document.querySelectorAll('[data-sku]').forEach(function (b) { b.addEventListener('click', buy); });
  if (at('enter')) at('enter').addEventListener('click', function () { login('snsapi_base'); });
  at('consent').addEventListener('click', function () { login(config.website ? 'snsapi_login' : 'snsapi_userinfo'); });
  if (at('link')) at('link').addEventListener('click', function () { login('snsapi_userinfo'); });
  at('leave').addEventListener('click', function () { leave(''); });

  var query = new URLSearchParams(location.search);
  var back = query.get('appid') === config.appid && (query.has('code') || query.has('unionlink_error'));
  if (back || recall('in')) login(recall('scope') || (config.website ? 'snsapi_login' : 'snsapi_base'));
})();

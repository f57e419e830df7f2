// login.js for a mini program: wx.login's code becomes a session of unionlink.
//
//   const { login } = require('./login')
//   login().then(user => …)
//
// Put BASE's host into the console's list of request domains (开发管理 → 服务器域名).

const BASE = 'https://login.shop.example'
const APPID = wx.getAccountInfoSync().miniProgram.appId

// nonce is known to this attempt alone: with it a repeated request gets the same answer, and nobody else's does.
function nonce() {
  let text = ''
  for (let i = 0; i < 4; i++) text += Math.random().toString(36).slice(2, 12)
  return text
}

function code() {
  return new Promise((resolve, reject) => wx.login({ success: r => resolve(r.code), fail: reject }))
}

function post(data) {
  return new Promise((resolve, reject) => wx.request({
    url: BASE + '/api/user/wechat/login', method: 'POST', header: { 'content-type': 'application/json' }, data,
    success: r => resolve(r.data), fail: reject,
  }))
}

// RESEND: send the same code again (not stored just now, busy, WeChat busy). Others need a new code of wx.login.
const RESEND = [1005, 1007, -1]
const ANEW = [40029, 40163, 1006]

async function login() {
  for (let fresh = 0; ; fresh++) {
    const attempt = { appid: APPID, code: await code(), state: nonce() }
    let answer
    for (let again = 0; again < 3; again++) {
      // A request that broke off may have arrived: the same code and state again are harmless.
      answer = await post(attempt).catch(() => ({ code: 1005, msg: 'network' }))
      if (!RESEND.includes(answer.code)) break
      await new Promise(resolve => setTimeout(resolve, 1000 * (again + 1)))
    }
    if (answer.code === 0) {
      wx.setStorageSync('unionlink', answer.data)
      return answer.data
    }
    if (!ANEW.includes(answer.code) || fresh >= 1) throw Object.assign(new Error(answer.msg), { code: answer.code })
  }
}

module.exports = { login }

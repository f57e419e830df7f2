package shops

var htmlLang = map[string]string{"zh": "zh-CN", "en": "en"}

// texts are what page and script say, by language. Both have the same keys.
var texts = map[string]map[string]string{
	"zh": {
		"language": "English", "other_shops": "其他店铺", "visitor": "您是谁",
		"stranger":         "先用微信登录，再下单。静默进入时店铺只知道您在本店的编号；授权昵称头像后，才知道您是同一个人。",
		"stranger_website": "先用微信扫码登录，再下单。",
		"enter":            "静默进入", "consent": "授权登录", "scan": "微信扫码登录", "full": "使用完整服务", "leave": "退出",
		"link": "授权后合并我在各店的购买", "hello": "您好，{name}", "hello_nameless": "您好，微信用户",
		"alone": "目前只认识您在本店的账号。", "joined": "各店认识的是同一个您。",
		"total": "您在各店的合计", "total_account": "店铺", "total_orders": "订单", "total_net": "净额", "latest": "最近购买",
		"person": "分析师看到的您", "why": "在控制台查看原因", "shelf": "货架", "buy": "购买", "buying": "正在下单…",
		"bought": "已下单 {amount}，正在计入…", "counted": "已计入合计。", "nothing": "还没有购买。",
		"refused": "您拒绝了授权，仍可浏览。", "snapshot": "快照模式下没有账号，只能浏览。请使用完整服务。",
		"failed": "登录未完成（{code}），请重试。", "ended": "登录已过期，请重新登录。", "not_stored": "订单没有保存，请再试一次。",
		"no_script": "无法连接 unionlink，请稍后刷新。", "need_js": "此页面需要 JavaScript。",
		"demo": "演示店铺：微信是模拟的，不会真的付款。",
	},
	"en": {
		"language": "中文", "other_shops": "Other shops", "visitor": "Who you are",
		"stranger":         "Log in with WeChat, then buy. If you enter silently the shop knows your number here alone; once you share nickname and avatar, the shops know that you are one person.",
		"stranger_website": "Log in with WeChat's QR code, then buy.",
		"enter":            "Enter silently", "consent": "Log in with profile", "scan": "Log in with a QR code", "full": "Use the full service", "leave": "Log out",
		"link": "Share my profile to join my shops", "hello": "Hello, {name}", "hello_nameless": "Hello, WeChat visitor",
		"alone": "Only your account in this shop is known so far.", "joined": "The shops know you as one person.",
		"total": "You, over all shops", "total_account": "Shop", "total_orders": "Orders", "total_net": "Net", "latest": "Latest purchases",
		"person": "To analysts you are", "why": "See why in the console", "shelf": "On the shelf", "buy": "Buy", "buying": "Ordering…",
		"bought": "Ordered for {amount}; being counted…", "counted": "Counted in the total.", "nothing": "Nothing bought yet.",
		"refused": "You refused. You can still look around.", "snapshot": "A snapshot visitor has no account and can only look around. Use the full service.",
		"failed": "The login was not completed ({code}). Try again.", "ended": "The login has ended. Log in again.", "not_stored": "The order is not stored. Try again.",
		"no_script": "unionlink cannot be reached. Reload in a moment.", "need_js": "This page needs JavaScript.",
		"demo": "A demo shop: WeChat is simulated, and nothing is paid.",
	},
}

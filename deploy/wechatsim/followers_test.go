package wechatsim

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// openid is a user's in an account.
func (b *bench) openid(userID, appID string) string {
	b.t.Helper()
	for _, raw := range b.admin("GET", "/_sim/users/"+userID, "")["identities"].([]any) {
		if identity := raw.(map[string]any); identity["appid"] == appID {
			return identity["openid"].(string)
		}
	}
	b.t.Fatalf("no identity of %s in %s", userID, appID)
	return ""
}

func TestUserInfo(t *testing.T) {
	b := newBench(t, nil)
	b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
	stranger := b.login("u2", scopeUserinfo)["openid"].(string)
	token := b.token(shop, shopKey)
	info := func(token, openid string) map[string]any {
		return b.get("/cgi-bin/user/info?access_token=" + token + "&openid=" + openid)
	}
	if got := info("", ""); errcode(got) != 41001 {
		t.Errorf("no token: %v", got)
	}
	if got := info("x", ""); errcode(got) != 40001 {
		t.Errorf("unknown token: %v", got)
	}
	if got := info(token, b.openid("u1", cafe)); errcode(got) != 40003 {
		t.Errorf("another account's openid: %v", got)
	}
	if got := info(token, b.openid("u1", shop)); got["subscribe"] != 1.0 || got["unionid"] == nil || got["nickname"] != "" || got["subscribe_time"] != float64(testStart.Unix()) {
		t.Errorf("follower: %v", got)
	}
	if got := info(token, stranger); got["subscribe"] != 0.0 || got["unionid"] != nil || len(got) != 3 {
		t.Errorf("not a follower: %v", got)
	}
	batch := func(list string) map[string]any {
		return b.wx("POST", "/cgi-bin/user/info/batchget?access_token="+token, `{"user_list":`+list+`}`)
	}
	many := make([]map[string]string, 101)
	for i := range many {
		many[i] = map[string]string{"openid": stranger}
	}
	raw, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	if got := batch(string(raw)); errcode(got) != 40032 {
		t.Errorf("101: %v", got)
	}
	if got := batch(`[]`); errcode(got) != 40032 {
		t.Errorf("none: %v", got)
	}
	if got := batch(fmt.Sprintf(`[{"openid":%q},{"openid":%q}]`, b.openid("u1", shop), stranger)); len(got["user_info_list"].([]any)) != 2 {
		t.Errorf("two: %v", got)
	}
	b.admin("PUT", "/_sim/accounts/"+shop+"/platform", `{"platform":""}`)
	if got := info(token, b.openid("u1", shop)); got["unionid"] != nil {
		t.Errorf("unbound: %v", got)
	}
}

func TestRebindingChangesEveryUnionID(t *testing.T) {
	b := newBench(t, nil)
	before := b.login("u1", scopeUserinfo)
	b.admin("PUT", "/_sim/accounts/"+shop+"/platform", `{"platform":"elsewhere"}`)
	after := b.login("u1", scopeUserinfo)
	if before["openid"] != after["openid"] || before["unionid"] == after["unionid"] {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestManyFollowers(t *testing.T) {
	const many = 100_000
	b := newBench(t, func(c *Config) { c.Users = 0 })
	made := b.admin("POST", "/_sim/users", fmt.Sprintf(`{"count":%d,"follow":[%q]}`, many, shop))
	if made["count"] != float64(many) || made["first"] != "u1" || made["last"] != "u100000" {
		t.Fatalf("made %v", made)
	}
	token := b.token(shop, shopKey)
	seen, pages, next := map[string]bool{}, 0, ""
	for {
		page := b.get("/cgi-bin/user/get?access_token=" + token + "&next_openid=" + next)
		if page["total"] != float64(many) {
			t.Fatalf("total: %v", page["total"])
		}
		next, _ = page["next_openid"].(string)
		if next == "" {
			if page["count"] != 0.0 || page["data"] != nil {
				t.Errorf("the end: %v", page)
			}
			break
		}
		pages++
		for _, openid := range page["data"].(map[string]any)["openid"].([]any) {
			seen[openid.(string)] = true
		}
	}
	if len(seen) != many || pages != many/maxFollowersPerPage {
		t.Errorf("%d followers on %d pages", len(seen), pages)
	}
	if got := b.get("/cgi-bin/user/get?access_token=" + token + "&next_openid=nobody"); errcode(got) != 40003 {
		t.Errorf("bad cursor: %v", got)
	}
}

func TestFollowersComeAndGoBetweenPages(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Users = 5000 })
	w, a := b.sim.world, b.sim.world.accounts[shop]
	for _, u := range w.userOrder {
		w.follow(a, u, followScene{}, testStart)
	}
	first := a.followersAfter(0, 1000)
	cursor := a.relations[first[999]]
	for _, openid := range first { // the cursor among them, and enough of them to compact the list
		a.unfollow(a.relations[openid])
	}
	for _, openid := range a.followersAfter(cursor.followSeq, 2500) {
		a.unfollow(a.relations[openid])
	}
	w.follow(a, cursor.user, followScene{}, testStart)
	rest := a.followersAfter(2500, 5000)
	if len(rest) != 1501 || rest[1500] != cursor.openid || a.live != 1501 {
		t.Errorf("%d left, %d live", len(rest), a.live)
	}
	if len(a.followers) > 2*a.live+1025 {
		t.Errorf("%d entries for %d followers", len(a.followers), a.live)
	}
}

func TestChangeOpenID(t *testing.T) {
	b := newBench(t, nil)
	b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
	old := b.openid("u1", shop)
	change := func(from, list string) map[string]any {
		return b.wx("POST", "/cgi-bin/changeopenid?access_token="+b.token(cafe, cafeKey), `{"from_appid":"`+from+`","openid_list":`+list+`}`)
	}
	one := `["` + old + `","nobody"]`
	if got := change(shop, one); errcode(got) != 63178 {
		t.Errorf("before the migration: %v", got)
	}
	if got := b.admin("POST", "/_sim/migrations", `{"from":"`+shop+`","to":"`+cafe+`"}`); got["moved"] != 1.0 {
		t.Errorf("migrate: %v", got)
	}
	results := change(shop, one)["result_list"].([]any)
	if got := results[0].(map[string]any); got["new_openid"] != b.openid("u1", cafe) || got["err_msg"] != "ok" {
		t.Errorf("known: %v", got)
	}
	if got := results[1].(map[string]any); got["new_openid"] != nil || got["err_msg"] != "ori_openid error" {
		t.Errorf("unknown: %v", got)
	}
	moved := b.get("/cgi-bin/user/info?access_token=" + b.token(cafe, cafeKey) + "&openid=" + b.openid("u1", cafe))
	if moved["subscribe_scene"] != "ADD_SCENE_ACCOUNT_MIGRATION" {
		t.Errorf("moved follower: %v", moved)
	}
	original := b.sim.world.accounts[shop].OriginalID
	if got := change(original, one); errcode(got) != 63178 {
		t.Errorf("by the gh_ name: %v", got)
	}
	b.admin("PATCH", "/_sim/knobs", `{"migrate_by_original_id":true}`)
	if got := change(original, one); errcode(got) != 0 {
		t.Errorf("by the gh_ name, as documented: %v", got)
	}
	b.admin("PATCH", "/_sim/knobs", `{"migrate_by_original_id":false,"migrate_late_code":-1}`)
	if got := change(shop, "[]"); errcode(got) != 40032 {
		t.Errorf("nobody: %v", got)
	}
	b.pass(15*24*time.Hour + time.Second)
	if got := change(shop, one); errcode(got) != -1 {
		t.Errorf("after the window: %v", got)
	}
}

package wechatsim

import (
	"strings"
	"time"
)

// The /cgi-bin routes about an official account's users.

// followerAnswer is a follower as user/info tells of one. The last six fields are empty since 2021 and still there.
type followerAnswer struct {
	Subscribe      int    `json:"subscribe"`
	OpenID         string `json:"openid"`
	Nickname       string `json:"nickname"`
	Sex            int    `json:"sex"`
	Language       string `json:"language"`
	City           string `json:"city"`
	Province       string `json:"province"`
	Country        string `json:"country"`
	HeadImgURL     string `json:"headimgurl"`
	SubscribeTime  int64  `json:"subscribe_time"`
	UnionID        string `json:"unionid,omitempty"`
	Remark         string `json:"remark"`
	GroupID        int    `json:"groupid"`
	TagIDList      []int  `json:"tagid_list"`
	SubscribeScene string `json:"subscribe_scene"`
	QRScene        int    `json:"qr_scene"`
	QRSceneStr     string `json:"qr_scene_str"`
}

// strangerAnswer is somebody who does not follow: no unionid.
type strangerAnswer struct {
	Subscribe int    `json:"subscribe"`
	OpenID    string `json:"openid"`
	TagIDList []int  `json:"tagid_list"`
}

func (w *world) describe(a *account, rel *relation) any {
	if !rel.subscribed {
		return strangerAnswer{OpenID: rel.openid, TagIDList: []int{}}
	}
	return followerAnswer{
		Subscribe: 1, OpenID: rel.openid, Language: "zh_CN", SubscribeTime: rel.subscribedAt,
		UnionID: w.unionID(a, rel.user), TagIDList: []int{}, SubscribeScene: rel.scene, QRSceneStr: rel.qrScene,
	}
}

// userInfo is /cgi-bin/user/info.
func userInfo(w *world, c *call) (any, *wxError) {
	a, err := w.cgiAccount(c.query.Get("access_token"), c.now)
	if err != nil {
		return nil, err
	}
	rel := a.relations[c.query.Get("openid")]
	if rel == nil {
		return nil, fail(codeInvalidOpenID)
	}
	if err := a.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	return w.describe(a, rel), nil
}

// userInfoBatch is /cgi-bin/user/info/batchget, for at most 100.
func userInfoBatch(w *world, c *call) (any, *wxError) {
	a, err := w.cgiAccount(c.query.Get("access_token"), c.now)
	if err != nil {
		return nil, err
	}
	var body struct {
		UserList []struct {
			OpenID string `json:"openid"`
		} `json:"user_list"`
	}
	if err := decodeBody(c, &body); err != nil {
		return nil, err
	}
	if len(body.UserList) == 0 || len(body.UserList) > maxOpenIDsPerCall {
		return nil, fail(codeInvalidOpenIDList)
	}
	answer := struct {
		UserInfoList []any `json:"user_info_list"`
	}{make([]any, len(body.UserList))}
	for i, wanted := range body.UserList {
		rel := a.relations[wanted.OpenID]
		if rel == nil {
			return nil, fail(codeInvalidOpenID)
		}
		answer.UserInfoList[i] = w.describe(a, rel)
	}
	if err := a.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	return answer, nil
}

type openIDList struct {
	OpenID []string `json:"openid"`
}

type followersAnswer struct {
	Total      int         `json:"total"`
	Count      int         `json:"count"`
	Data       *openIDList `json:"data,omitempty"`
	NextOpenID string      `json:"next_openid"`
}

// userGet is /cgi-bin/user/get: the followers, 10,000 a page. next_openid is the last of the page; a page that holds
// no more ends the list with "" and no data.
func userGet(w *world, c *call) (any, *wxError) {
	a, err := w.cgiAccount(c.query.Get("access_token"), c.now)
	if err != nil {
		return nil, err
	}
	var cursor uint64
	if next := c.query.Get("next_openid"); next != "" {
		rel := a.relations[next]
		if rel == nil || rel.followSeq == 0 {
			return nil, fail(codeInvalidOpenID)
		}
		cursor = rel.followSeq
	}
	if err := a.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	page := a.followersAfter(cursor, maxFollowersPerPage)
	answer := followersAnswer{Total: a.live, Count: len(page)}
	if len(page) > 0 {
		answer.Data = &openIDList{page}
		answer.NextOpenID = page[len(page)-1]
	}
	return answer, nil
}

type movedOpenID struct {
	Old string `json:"ori_openid"`
	New string `json:"new_openid,omitempty"`
	Msg string `json:"err_msg"`
}

type movedAnswer struct {
	errorAnswer
	ResultList []movedOpenID `json:"result_list"`
}

// changeOpenID is /cgi-bin/changeopenid: the token is the new account's, the openids are the old one's.
func changeOpenID(w *world, c *call) (any, *wxError) {
	to, err := w.cgiAccount(c.query.Get("access_token"), c.now)
	if err != nil {
		return nil, err
	}
	var body struct {
		FromAppID  string   `json:"from_appid"`
		OpenIDList []string `json:"openid_list"`
	}
	if err := decodeBody(c, &body); err != nil {
		return nil, err
	}
	if len(body.OpenIDList) == 0 || len(body.OpenIDList) > maxOpenIDsPerCall {
		return nil, fail(codeInvalidOpenIDList)
	}
	from := w.migrationSource(body.FromAppID)
	if from == nil {
		return nil, fail(codeWrongAppID)
	}
	begun, ok := w.migrated[migration{from.AppID, to.AppID}]
	if !ok {
		return nil, fail(codeWrongAppID)
	}
	if c.now.Sub(begun) > migrationWindowSeconds*time.Second {
		return nil, fail(w.knobs.MigrateLateCode)
	}
	if err := to.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	answer := movedAnswer{errorAnswer{0, "ok"}, make([]movedOpenID, len(body.OpenIDList))}
	for i, old := range body.OpenIDList {
		answer.ResultList[i] = movedOpenID{Old: old, Msg: "ori_openid error"}
		if rel := from.relations[old]; rel != nil {
			answer.ResultList[i] = movedOpenID{Old: old, New: w.relate(to, rel.user).openid, Msg: "ok"}
		}
	}
	return answer, nil
}

// migrationSource finds the old account by the name that changeopenid takes: the appid, or as the documentation has
// it, the gh_ name.
func (w *world) migrationSource(name string) *account {
	if !w.knobs.MigrateByOriginalID {
		return w.accounts[name]
	}
	for _, a := range w.order {
		if strings.HasPrefix(name, "gh_") && a.OriginalID == name {
			return a
		}
	}
	return nil
}

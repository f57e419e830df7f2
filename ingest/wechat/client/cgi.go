package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// MaxBatch is how many openids Followers and ChangeOpenIDs take at once.
const MaxBatch = 100

func incomplete(op string) error {
	return &TransportError{Op: op, Status: http.StatusOK, Sent: true, cause: errors.New("the reply lacks what was asked for")}
}

// AccessToken is an account's token for the cgi-bin routes.
type AccessToken struct {
	Value     string
	ExpiresIn time.Duration
}

// StableToken asks for the account's token (POST /cgi-bin/stable_token). Without
// force WeChat answers with the token that is good, so asking twice is harmless.
// With force the old one dies; that works 20 times a day, 30 s apart.
func (c *Client) StableToken(ctx context.Context, app Credentials, force bool) (AccessToken, error) {
	type tokenReply struct {
		failure
		AccessToken text   `json:"access_token"`
		ExpiresIn   number `json:"expires_in"`
	}
	const op = "/cgi-bin/stable_token"
	reply, err := do[tokenReply](ctx, c, call{op: op, harmless: !force, body: map[string]any{
		"grant_type": "client_credential", "appid": app.AppID, "secret": app.Secret, "force_refresh": force,
	}})
	if err == nil && (reply.AccessToken == "" || reply.ExpiresIn <= 0) {
		return AccessToken{}, incomplete(op)
	}
	return AccessToken{Value: string(reply.AccessToken), ExpiresIn: time.Duration(reply.ExpiresIn) * time.Second}, err
}

// Follower is what an official account may know of a user. Only Subscribed ones
// have more than their openid.
type Follower struct {
	OpenID, UnionID string
	Subscribed      bool
	// Nickname and HeadImgURL are empty since 2021-12-27; the fields still come.
	Nickname, HeadImgURL string
}

type followerReply struct {
	failure
	Subscribe  number `json:"subscribe"`
	OpenID     text   `json:"openid"`
	UnionID    text   `json:"unionid"`
	Nickname   text   `json:"nickname"`
	HeadImgURL text   `json:"headimgurl"`
}

func (r followerReply) follower() Follower {
	return Follower{
		OpenID: string(r.OpenID), UnionID: string(r.UnionID), Subscribed: r.Subscribe == 1,
		Nickname: string(r.Nickname), HeadImgURL: string(r.HeadImgURL),
	}
}

// Follower asks for one user (GET /cgi-bin/user/info).
func (c *Client) Follower(ctx context.Context, token, openid string) (Follower, error) {
	reply, err := do[followerReply](ctx, c, call{op: "/cgi-bin/user/info", query: url.Values{"access_token": {token}, "openid": {openid}}, harmless: true})
	return reply.follower(), err
}

// Followers asks for up to MaxBatch users (POST /cgi-bin/user/info/batchget). The
// answer may be shorter than the question, and in another order.
func (c *Client) Followers(ctx context.Context, token string, openids []string) ([]Follower, error) {
	const op = "/cgi-bin/user/info/batchget"
	if len(openids) > MaxBatch {
		return nil, fmt.Errorf("ask for %d followers: at most %d at once", len(openids), MaxBatch)
	}
	type user struct {
		OpenID string `json:"openid"`
	}
	list := make([]user, 0, len(openids))
	for _, id := range openids {
		list = append(list, user{id})
	}
	type batchReply struct {
		failure
		List []followerReply `json:"user_info_list"`
	}
	reply, err := do[batchReply](ctx, c, call{op: op, query: url.Values{"access_token": {token}}, body: map[string]any{"user_list": list}, harmless: true})
	if err != nil {
		return nil, err
	}
	followers := make([]Follower, 0, len(reply.List))
	for _, f := range reply.List {
		followers = append(followers, f.follower())
	}
	return followers, nil
}

// FollowerPage is a part of an account's list of followers, at most 10 000.
type FollowerPage struct {
	Total   int
	OpenIDs []string
	// Next is where the next page begins; empty at the end.
	Next string
}

// FollowerPage asks for the followers after one (GET /cgi-bin/user/get); an empty
// after is the beginning.
func (c *Client) FollowerPage(ctx context.Context, token, after string) (FollowerPage, error) {
	query := url.Values{"access_token": {token}}
	if after != "" {
		query.Set("next_openid", after)
	}
	type pageReply struct {
		failure
		Total number `json:"total"`
		Data  struct {
			OpenID []string `json:"openid"`
		} `json:"data"`
		Next text `json:"next_openid"`
	}
	reply, err := do[pageReply](ctx, c, call{op: "/cgi-bin/user/get", query: query, harmless: true})
	if err != nil {
		return FollowerPage{}, err
	}
	page := FollowerPage{Total: int(reply.Total), OpenIDs: reply.Data.OpenID, Next: string(reply.Next)}
	if len(page.OpenIDs) == 0 {
		page.Next = ""
	}
	return page, nil
}

// ChangedOpenID is one user's move from an old account to a new one.
type ChangedOpenID struct {
	Old, New string
	// Reason is why there is no new openid; empty where there is one.
	Reason string
}

// ChangeOpenIDs asks which openids up to MaxBatch users of the old account have in
// the new one (POST /cgi-bin/changeopenid), for 15 days after an account's
// migration. token is the new account's, from the old account's appid: the
// documentation's gh_ name is wrong.
func (c *Client) ChangeOpenIDs(ctx context.Context, token, from string, openids []string) ([]ChangedOpenID, error) {
	if len(openids) > MaxBatch {
		return nil, fmt.Errorf("ask for %d changed openids: at most %d at once", len(openids), MaxBatch)
	}
	type changeReply struct {
		failure
		List []struct {
			Old     text `json:"ori_openid"`
			New     text `json:"new_openid"`
			Message text `json:"err_msg"`
		} `json:"result_list"`
	}
	reply, err := do[changeReply](ctx, c, call{op: "/cgi-bin/changeopenid", query: url.Values{"access_token": {token}}, harmless: true,
		body: map[string]any{"from_appid": from, "openid_list": openids}})
	if err != nil {
		return nil, err
	}
	moved := make([]ChangedOpenID, 0, len(reply.List))
	for _, r := range reply.List {
		m := ChangedOpenID{Old: string(r.Old), New: string(r.New)}
		if m.New == "" {
			m.Reason = string(r.Message)
		}
		moved = append(moved, m)
	}
	return moved, nil
}

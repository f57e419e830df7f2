package api

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/unionlink/unionlink/schemas/stream"
)

func (r *rig) testLetters(t *testing.T) {
	for _, appid := range []string{"wx1", "wx2", "wx1"} {
		msg := nats.NewMsg(stream.DeadLetterPrefix + "unknown-account")
		msg.Header.Set("appid", appid)
		msg.Data = []byte(`{"appid":"` + appid + `"}`)
		_, err := r.js.PublishMsg(t.Context(), msg)
		must(t, err)
	}
	for who, want := range map[string]string{"operator": "wx1 wx2 wx1", "operator-1": "wx1 wx1"} {
		got, cursor := "", ""
		for range 4 {
			var page struct {
				Rows       []DeadLetter `json:"rows"`
				NextCursor string       `json:"next_cursor"`
			}
			must(t, json.Unmarshal(r.get(t, who, "/v1/dead-letters?limit=1"+cursor).body, &page))
			for _, l := range page.Rows {
				got += " " + l.AppID
			}
			if page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + page.NextCursor
		}
		if got != " "+want {
			t.Errorf("%s sees the letters of%s, want %s", who, got, want)
		}
	}
	without := r.with(t, func(d *Deps) { d.DeadLetters = nil })
	if got := without.get(t, "operator", "/v1/dead-letters"); got.status != 404 || got.object(t)["type"] != "not-found" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

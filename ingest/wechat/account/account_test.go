package account

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestNewDirectory(t *testing.T) {
	good := Account{AppID: "wx1", Kind: KindOfficial, Platform: "main", Secret: "top-secret"}

	t.Run("finds accounts in the order given", func(t *testing.T) {
		second := good
		second.AppID = "wx2"
		d, err := NewDirectory([]Account{second, good})
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := d.Find("wx1"); !ok || a.Secret != "top-secret" {
			t.Fatal(a, ok)
		}
		if _, ok := d.Find("wx3"); ok {
			t.Fatal("found an account that is not configured")
		}
		if all := d.All(); all[0].AppID != "wx2" || all[1].AppID != "wx1" {
			t.Fatal(all)
		}
	})
	t.Run("tells every fault with its path", func(t *testing.T) {
		_, err := NewDirectory([]Account{good, good, {AppID: "undefined", Kind: "shop", Push: Push{AESKey: "short"}}})
		for _, want := range []string{"accounts[1].appid", "accounts[2]", "kind:", "push.aes_key", "push.token"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not tell %q", err, want)
			}
		}
	})
	t.Run("logs no secret", func(t *testing.T) {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "account", good)
		if strings.Contains(out.String(), "top-secret") {
			t.Fatal(out.String())
		}
	})
}

package wechatsim

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestConfigFromYAML(t *testing.T) {
	cfg := DefaultConfig()
	text := `
seed: other
accounts:
  - {appid: wx1, name: Shop, kind: official_account, platform: p, secret: s, domains: ["localhost:9000/cb"],
     push: {url: "http://localhost:9000/push", token: abc, mode: plain}}
knobs: {rid: space, push_tries: 1}
`
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Accounts) != 1 || cfg.Accounts[0].Push.Token != "abc" || cfg.Knobs.RID != "space" || cfg.Knobs.CodeSeconds != 300 || cfg.Listen == "" {
		t.Errorf("%+v", cfg)
	}
	if err := yaml.UnmarshalWithOptions([]byte("sead: x"), &cfg, yaml.Strict()); err == nil {
		t.Error("an unknown key is read over")
	}
}

func TestConfigFaults(t *testing.T) {
	for path, change := range map[string]func(*Config){
		"users":                   func(c *Config) { c.Users = -1 },
		"public_url":              func(c *Config) { c.PublicURL = "localhost" },
		"avatar_base":             func(c *Config) { c.AvatarBase = "ftp://x" },
		"accounts[1].appid":       func(c *Config) { c.Accounts[1].AppID = c.Accounts[0].AppID },
		"accounts[0].secret":      func(c *Config) { c.Accounts[0].Secret = "" },
		"accounts[0].domains":     func(c *Config) { c.Accounts[0].Domains = []string{"a", "b", "c"} },
		"accounts[0].domains[0]":  func(c *Config) { c.Accounts[0].Domains = []string{"http://a"} },
		"accounts[0].ip_allow":    func(c *Config) { c.Accounts[0].IPAllow = []string{"here"} },
		"accounts[0].push.mode":   func(c *Config) { c.Accounts[0].Push = Push{URL: "http://a", Token: "abc", Mode: "x"} },
		"merchants[0].mchid":      func(c *Config) { c.Merchants[0].MchID = "" },
		"merchants[0].public_key": func(c *Config) { c.Merchants[0].PublicKey = "no" },
		"merchants[0].notify_url": func(c *Config) { c.Merchants[0].NotifyURL = "no" },
		"knobs.push_tries":        func(c *Config) { c.Knobs.PushTries = 0 },
		"knobs.expired_code":      func(c *Config) { c.Knobs.ExpiredCode = 1 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

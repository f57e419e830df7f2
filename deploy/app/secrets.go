package app

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// secret is a setting that holds one, or refers to one.
type secret struct {
	path  string
	value *string
	isURL bool // a URL with a password in it
}

// secrets lists all of them, for resolving and for masking.
func (c *Config) secrets() []secret {
	all := []secret{
		{"nats.url", &c.NATS.URL, true},
		{"clickhouse.dsn", &c.ClickHouse.DSN, true},
		{"clickhouse.analyst_dsn", &c.ClickHouse.AnalystDSN, true},
		{"clickhouse.limited_dsn", &c.ClickHouse.LimitedDSN, true},
		{"analysts.oidc.client_secret", &c.Analysts.OIDC.ClientSecret, false},
		{"analysts.secret", &c.Analysts.Secret, false},
	}
	add := func(value *string, format string, args ...any) {
		all = append(all, secret{fmt.Sprintf(format, args...), value, false})
	}
	for i := range c.NATS.Users {
		add(&c.NATS.Users[i].Password, "nats.users[%d].password", i)
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		add(&a.Secret, "accounts[%d].secret", i)
		add(&a.Push.Token, "accounts[%d].push.token", i)
		add(&a.Push.AESKey, "accounts[%d].push.aes_key", i)
	}
	for i := range c.Ingest.Keys {
		add(&c.Ingest.Keys[i].Key, "ingest.keys[%d].key", i)
		add(&c.Ingest.Keys[i].SigningSecret, "ingest.keys[%d].signing_secret", i)
	}
	for i := range c.Analysts.Tokens {
		add(&c.Analysts.Tokens[i].Token, "analysts.tokens[%d].token", i)
	}
	for i := range c.WeChat.Pay.Merchants {
		m := &c.WeChat.Pay.Merchants[i]
		add(&m.APIv3Key, "wechat.pay.merchants[%d].apiv3_key", i)
		for j := range m.PlatformKeys {
			add(&m.PlatformKeys[j].PEM, "wechat.pay.merchants[%d].platform_keys[%d].pem", i, j)
		}
	}
	for i := range c.WeChatSim.Accounts {
		a := &c.WeChatSim.Accounts[i]
		add(&a.Secret, "wechatsim.accounts[%d].secret", i)
		add(&a.Push.Token, "wechatsim.accounts[%d].push.token", i)
		add(&a.Push.AESKey, "wechatsim.accounts[%d].push.aes_key", i)
	}
	for i := range c.WeChatSim.Merchants {
		add(&c.WeChatSim.Merchants[i].APIv3Key, "wechatsim.merchants[%d].apiv3_key", i)
	}
	return all
}

const (
	fromEnv  = "env:"
	fromFile = "file:"
	hashOnly = "sha256:"
)

// Resolve puts the secrets in the place of their references: env:NAME is an environment
// variable, file:PATH a file, whose last line break does not count. Anything else is
// the secret itself. Errors name the key and the reference, never a secret.
func (c *Config) Resolve(lookup func(string) (string, bool)) error {
	// Lists are shared with the caller's copy of the configuration, which keeps its references.
	c.ownLists()
	var faults []error
	for _, s := range c.secrets() {
		v, err := ResolveSecret(*s.value, lookup)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", s.path, err))
			continue
		}
		*s.value = v
	}
	return errors.Join(faults...)
}

// ResolveSecret is the secret that a reference stands for; see Resolve.
func ResolveSecret(ref string, lookup func(string) (string, bool)) (string, error) {
	name, isEnv := strings.CutPrefix(ref, fromEnv)
	path, isFile := strings.CutPrefix(ref, fromFile)
	switch {
	case isEnv:
		if v, ok := lookup(name); ok && v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set", name)
	case isFile:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if text := strings.TrimRight(string(data), "\r\n"); text != "" {
			return text, nil
		}
		return "", fmt.Errorf("the file %s is empty", path)
	}
	return ref, nil
}

func (c *Config) ownLists() {
	c.NATS.Users = append([]NATSUser(nil), c.NATS.Users...)
	c.Accounts = append([]Account(nil), c.Accounts...)
	c.Ingest.Keys = append(c.Ingest.Keys[:0:0], c.Ingest.Keys...)
	c.Analysts.Tokens = append(c.Analysts.Tokens[:0:0], c.Analysts.Tokens...)
	c.WeChat.Pay.Merchants = append(c.WeChat.Pay.Merchants[:0:0], c.WeChat.Pay.Merchants...)
	for i := range c.WeChat.Pay.Merchants {
		keys := &c.WeChat.Pay.Merchants[i].PlatformKeys
		*keys = append((*keys)[:0:0], *keys...)
	}
	c.WeChatSim.Accounts = append(c.WeChatSim.Accounts[:0:0], c.WeChatSim.Accounts...)
	c.WeChatSim.Merchants = append(c.WeChatSim.Merchants[:0:0], c.WeChatSim.Merchants...)
}

const blot = "***"

func (s secret) mask(v string) string {
	switch {
	case v == "", strings.HasPrefix(v, fromEnv), strings.HasPrefix(v, fromFile):
		return v
	case strings.HasPrefix(v, hashOnly):
		return hashOnly + blot
	case !s.isURL:
		return blot
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" {
		return blot
	}
	if u.User != nil {
		user := u.User.Username()
		u.User = nil
		query := maskQuery(u)
		return u.Scheme + "://" + user + ":" + blot + "@" + u.Host + u.EscapedPath() + query
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath() + maskQuery(u)
}

// maskQuery blots out a DSN's parameters, where ClickHouse takes user and password too.
func maskQuery(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + blot
}

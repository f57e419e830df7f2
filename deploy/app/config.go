package app

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/sso"
	"github.com/unionlink/unionlink/deploy/tracing"
	"github.com/unionlink/unionlink/deploy/wechatsim"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/backfill"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/login"
	"github.com/unionlink/unionlink/ingest/wechat/pay"
	"github.com/unionlink/unionlink/ingest/wechat/push"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
)

// Config is the whole configuration, as the YAML file has it.
type Config struct {
	// Data is the folder of the embedded servers' files and of credentials.json.
	// Relative paths begin at the working directory. Default ./unionlink-data.
	Data string `yaml:"data"`
	// Listen is host:port of the one listener; port 0 is any free one. Default 127.0.0.1:8080.
	Listen     string        `yaml:"listen"`
	NATS       NATS          `yaml:"nats"`
	ClickHouse ClickHouse    `yaml:"clickhouse"`
	Accounts   []Account     `yaml:"accounts"`
	Ingest     ingest.Config `yaml:"ingest"`
	Linker     linker.Config `yaml:"linker"`
	Analysts   Analysts      `yaml:"analysts"`
	WeChat     WeChat        `yaml:"wechat"`
	// WeChatSim, where it has an address to listen on, makes up run the WeChat simulator too.
	WeChatSim wechatsim.Config `yaml:"wechatsim"`
	Log       Log              `yaml:"log"`
	// Tracing sends traces to a collector, where it names one.
	Tracing tracing.Config `yaml:"tracing"`
}

// NATS says where the event stream is.
type NATS struct {
	// URL of one's own NATS, credentials included; may be a secret reference. Empty: embedded.
	URL string `yaml:"url"`
	// Port of the embedded one; 0 is any free one. Default 4222.
	Port int `yaml:"port"`
	// Host of the embedded one, an IP address. Default 127.0.0.1.
	Host string `yaml:"host"`
	// MaxBytes bounds the event stream on disk; a full stream refuses events (503), it never
	// drops any. Default: embedded, what half of the free disk leaves, at most 32 GiB; else 32 GiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// Replicas of each stream in a cluster. Default 1.
	Replicas int `yaml:"replicas"`
	// Users are further logins of the embedded one: back ends that publish by themselves.
	Users []NATSUser `yaml:"users"`
}

// NATSUser may publish the events of its accounts, and nothing else. Its client must use
// the inbox prefix _INBOX.<user>. Each account has one already; see Credentials.NATSUsers.
type NATSUser struct {
	User     string   `yaml:"user"`
	Password string   `yaml:"password"`
	AppIDs   []string `yaml:"appids"`
}

// ClickHouse says where the tables are.
type ClickHouse struct {
	// DSN of one's own ClickHouse, as a user who may create and write the tables:
	// clickhouse://user:password@host:9000/unionlink. May be a secret reference. Empty: embedded.
	DSN string `yaml:"dsn"`
	// AnalystDSN is of a read-only user, as whom questions are asked. Default: DSN.
	AnalystDSN string `yaml:"analyst_dsn"`
	// LimitedDSN is of a read-only user with row policies, as whom tokens with accounts ask:
	// api/README.md has the SQL. Default: none, such tokens are limited by the api alone.
	LimitedDSN string `yaml:"limited_dsn"`
	// HTTPURL of one's own ClickHouse, for Parquet and Arrow exports. Empty: not offered.
	HTTPURL string `yaml:"http_url"`
	// NativePort and HTTPPort of the embedded one; 0 is any free one. Defaults 9000 and 8123.
	NativePort int `yaml:"native_port"`
	HTTPPort   int `yaml:"http_port"`
	// Host of the embedded one, an IP address. Default 127.0.0.1.
	Host string `yaml:"host"`
	// Engine of the embedded one. Default: the pinned library from npm; "path": the program
	// clickhouse on the PATH; else the path of such a program or of a libchdb.
	Engine string `yaml:"engine"`
	// MaxMemory in bytes that the embedded one may take. Default 2 GiB, 4 GiB from 12 GiB of memory on.
	MaxMemory int64 `yaml:"max_memory"`
}

// Account is one WeChat app.
type Account struct {
	AppID string              `yaml:"appid"`
	Name  string              `yaml:"name"`
	Kind  schemas.AccountKind `yaml:"kind"`
	// Platform names the Open Platform account that the app is bound to. Empty: none.
	Platform string `yaml:"platform"`
	// FormerPlatforms are those it was bound to before, oldest first.
	FormerPlatforms []FormerPlatform `yaml:"former_platforms"`
	// Secret is the AppSecret, without which codes are not exchanged.
	Secret string       `yaml:"secret"`
	Push   account.Push `yaml:"push"`
}

// FormerPlatform is a platform an account was bound to until a moment.
type FormerPlatform struct {
	Platform string    `yaml:"platform"`
	Until    time.Time `yaml:"until"`
}

// WeChat sets up what talks to WeChat.
type WeChat struct {
	Client   client.Config   `yaml:"client"`
	Login    login.Config    `yaml:"login"`
	Push     push.Config     `yaml:"push"`
	Pay      pay.Config      `yaml:"pay"`
	Backfill backfill.Config `yaml:"backfill"`
}

// Analysts are those who may ask.
type Analysts struct {
	Tokens []access.Token `yaml:"tokens"`
	// OIDC signs analysts in with the company's provider; api/README.md has an example.
	OIDC sso.Config `yaml:"oidc"`
	// Secret signs sessions and cursors, 32 bytes or more, the same in every api process.
	// Default: up keeps one of its own in the data folder.
	Secret string `yaml:"secret"`
	// SessionLifetime is how long the console stays signed in. Default 12 h.
	SessionLifetime time.Duration `yaml:"session_lifetime"`
}

// Log says what is logged, to standard error.
type Log struct {
	// Level is debug, info, warn or error. Default info.
	Level string `yaml:"level"`
	// Format is text or json. Default text.
	Format string `yaml:"format"`
}

// Default is the configuration without a file.
func Default() Config {
	return Config{
		Data: "./unionlink-data", Listen: "127.0.0.1:8080",
		NATS:       NATS{Port: 4222, Host: "127.0.0.1"},
		ClickHouse: ClickHouse{NativePort: 9000, HTTPPort: 8123, Host: "127.0.0.1"},
		WeChatSim:  simulatorDefaults(),
		Log:        Log{Level: "info", Format: "text"},
	}
}

// Validate returns every fault at once, each with its path.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Data == "" {
		fault("data: must name a folder")
	}
	if host, port, err := net.SplitHostPort(c.Listen); err != nil {
		fault("listen: %q is not host:port such as 127.0.0.1:8080", c.Listen)
	} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		fault("listen: %q has no port from 0 to 65535 (host %q)", c.Listen, host)
	}
	for _, p := range []struct {
		path string
		port int
	}{{"nats.port", c.NATS.Port}, {"clickhouse.native_port", c.ClickHouse.NativePort}, {"clickhouse.http_port", c.ClickHouse.HTTPPort}} {
		if p.port < 0 || p.port > 65535 {
			fault("%s: %d is not from 0 to 65535", p.path, p.port)
		}
	}
	if c.NATS.MaxBytes != 0 && c.NATS.MaxBytes < 64<<20 {
		fault("nats.max_bytes: must be 64 MiB or more")
	}
	if c.Log.Level != "debug" && c.Log.Level != "info" && c.Log.Level != "warn" && c.Log.Level != "error" {
		fault("log.level: %q is none of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		fault("log.format: %q is neither text nor json", c.Log.Format)
	}
	if s := c.Analysts.Secret; s != "" && len(s) < 32 {
		fault("analysts.secret: is under 32 bytes")
	}
	prefix(&faults, "analysts.oidc.", c.Analysts.OIDC.Validate())
	if c.WeChatSim.Listen != "" {
		prefix(&faults, "wechatsim.", c.WeChatSim.Validate())
	}
	faults = append(faults, c.validateAccounts()...)
	prefix(&faults, "ingest.", c.Ingest.Validate())
	prefix(&faults, "", c.Linker.Validate())
	prefix(&faults, "tracing.", c.Tracing.Validate())
	w := c.wechat()
	w.Accounts = nil // checked by themselves
	prefix(&faults, "wechat.", w.WithDefaults().Validate())
	return errors.Join(faults...)
}

// validateAccounts checks the accounts and everything that names one.
func (c Config) validateAccounts() []error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	known := map[string]bool{}
	for i, a := range c.Accounts {
		at := fmt.Sprintf("accounts[%d]", i)
		prefix(&faults, at+".", a.wechat().Validate())
		if known[a.AppID] {
			fault("%s.appid: %s is given twice", at, a.AppID)
		}
		known[a.AppID] = true
		if a.AppID != "" && !isToken(a.AppID) {
			fault("%s.appid: %q holds a blank or one of . * >, and is part of a NATS subject", at, a.AppID)
		}
		for j, f := range a.FormerPlatforms {
			if f.Platform == "" || f.Until.IsZero() {
				fault("%s.former_platforms[%d]: needs a platform and until", at, j)
			}
		}
	}
	names := func(path string, appids []string) {
		for i, id := range appids {
			if !known[id] {
				fault("%s[%d]: %q is the appid of no account", path, i, id)
			}
		}
	}
	for i, k := range c.Ingest.Keys {
		names(fmt.Sprintf("ingest.keys[%d].appids", i), k.AppIDs)
	}
	for i, t := range c.Analysts.Tokens {
		names(fmt.Sprintf("analysts.tokens[%d].accounts", i), t.Accounts)
	}
	for i, u := range c.NATS.Users {
		if !isToken(u.User) {
			fault("nats.users[%d].user: must be set, without blanks or any of . * >, since it is part of the inbox", i)
		}
		names(fmt.Sprintf("nats.users[%d].appids", i), u.AppIDs)
	}
	return faults
}

// prefix adds an error's lines, each a fault with its path, below a path.
func prefix(faults *[]error, path string, err error) {
	if err == nil {
		return
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		*faults = append(*faults, fmt.Errorf("%s%w", path, err))
		return
	}
	for _, e := range joined.Unwrap() {
		prefix(faults, path, e)
	}
}

// demands checks what a target needs beyond a valid configuration.
func (c Config) demands(t Target) error {
	if targets[t].embed {
		return nil
	}
	var faults []error
	if c.NATS.URL == "" {
		faults = append(faults, fmt.Errorf("nats.url: %s needs a NATS server: set it, or UNIONLINK_NATS_URL (unionlink up brings its own)", t))
	}
	if c.ClickHouse.DSN == "" && t != TargetIngest {
		faults = append(faults, fmt.Errorf("clickhouse.dsn: %s needs a ClickHouse server: set it, or UNIONLINK_CLICKHOUSE_DSN (unionlink up brings its own)", t))
	}
	if t == TargetAPI && c.Analysts.Secret == "" {
		faults = append(faults, errors.New("analysts.secret: api needs one, the same in every process, to sign sessions and cursors"))
	}
	return errors.Join(faults...)
}

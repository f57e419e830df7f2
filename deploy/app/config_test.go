package app

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/sso"
	"github.com/unionlink/unionlink/deploy/wechatsim"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/ingest/wechat/pay"
)

// variables is an environment.
func variables(pairs ...string) func(string) (string, bool) {
	set := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := set[name]; return v, ok }
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "unionlink.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string, env ...string) Config {
	t.Helper()
	cfg, err := Load(write(t, text), variables(env...))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestLoad(t *testing.T) {
	t.Run("the_defaults_are_valid", func(t *testing.T) {
		cfg, err := Load("", variables())
		if err != nil || cfg.Validate() != nil {
			t.Fatal(err, cfg.Validate())
		}
	})
	t.Run("an_empty_file_leaves_the_defaults", func(t *testing.T) {
		if diff := cmp.Diff(Default(), load(t, "# nothing\n")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a_port_of_0_is_not_a_port_left_out", func(t *testing.T) {
		cfg := load(t, "nats: {port: 0}\nclickhouse: {http_port: 0}\n")
		if cfg.NATS.Port != 0 || cfg.ClickHouse.HTTPPort != 0 || cfg.ClickHouse.NativePort != 9000 || cfg.NATS.Host == "" {
			t.Errorf("%+v %+v", cfg.NATS, cfg.ClickHouse)
		}
	})
	t.Run("a_key_without_a_value_leaves_the_defaults", func(t *testing.T) {
		if diff := cmp.Diff(Default(), load(t, "nats:\n  # port: 1\nclickhouse: {host: }\nlisten:\n")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the_environment_wins_over_the_file", func(t *testing.T) {
		cfg := load(t, "listen: 127.0.0.1:1\ndata: from-file\n", "UNIONLINK_LISTEN", "127.0.0.1:2", "UNIONLINK_NATS_PORT", "0",
			"UNIONLINK_LINKER_BATCH_WAIT", "250ms", "UNIONLINK_ACCOUNTS", `[{appid: wxenv, kind: website}]`)
		if cfg.Listen != "127.0.0.1:2" || cfg.Data != "from-file" || cfg.NATS.Port != 0 || cfg.Linker.BatchWait.Milliseconds() != 250 {
			t.Errorf("%+v", cfg)
		}
		if len(cfg.Accounts) != 1 || cfg.Accounts[0].AppID != "wxenv" {
			t.Errorf("accounts %+v", cfg.Accounts)
		}
	})
	for name, text := range map[string]string{
		"an_unknown_key":        "listen: 127.0.0.1:0\nlisten_to: x\n",
		"an_unknown_nested_key": "nats:\n  prot: 1\n",
		"a_wrong_type":          "nats:\n  port: many\n",
	} {
		t.Run(name+"_is_an_error_with_its_line", func(t *testing.T) {
			_, err := Load(write(t, text), variables())
			if err == nil || !strings.Contains(err.Error(), "[2:") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("an_error_does_not_show_the_file's_text", func(t *testing.T) {
		_, err := Load(write(t, "ingest: {keys: [{name: a, key: CANARY, appid: x}]}\n"), variables())
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("a_wrong_variable_is_named", func(t *testing.T) {
		_, err := Load("", variables("UNIONLINK_NATS_PORT", "many"))
		if err == nil || !strings.Contains(err.Error(), "UNIONLINK_NATS_PORT") {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestReadmeConfigurations reads every piece of configuration that the README shows.
func TestReadmeConfigurations(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("the README shows no configuration")
	}
	for _, block := range blocks {
		cfg := load(t, block[1])
		env := variables("WX1_SECRET", "a", "BACKEND1_KEY", "b", "ANALYST_TOKEN", "at least sixteen bytes")
		if err := cfg.Resolve(env); err != nil {
			t.Error(err)
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
}

func TestValidateTellsEveryFault(t *testing.T) {
	cfg := load(t, `
data: ""
listen: nowhere
nats: {port: -1}
log: {level: loud}
accounts:
  - {appid: "", kind: website}
  - {appid: wxa, kind: shop}
  - {appid: wxa, kind: website}
ingest: {keys: [{name: k, appids: [wxb]}]}
linker: {workers: 1000}
analysts: {tokens: [{name: a, token: t, accounts: [wxc]}]}
wechat: {login: {lang: fr}}
`)
	err := cfg.Validate()
	if err == nil {
		t.Fatal("it is valid")
	}
	for _, path := range []string{
		"data:", "listen:", "nats.port:", "log.level:", "accounts[0].appid:", "accounts[1].kind:", "accounts[2].appid:",
		"ingest.keys[0].key:", "ingest.keys[0].appids[0]:", "linker.workers:", "analysts.tokens[0].accounts[0]:", "wechat.login.lang:",
	} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not in\n%v", path, err)
		}
	}
}

func TestPartsNameTheServerTheyNeed(t *testing.T) {
	for target, keys := range map[Target][]string{
		TargetIngest: {"nats.url"}, TargetLinker: {"nats.url", "clickhouse.dsn"}, TargetAPI: {"nats.url", "clickhouse.dsn", "analysts.secret"},
	} {
		_, err := New(Default(), target, Deps{})
		for _, key := range keys {
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %s is not in %v", target, key, err)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, `
accounts: [{appid: wxa, kind: website, secret: "env:SECRET"}]
ingest: {keys: [{name: k, key: "file:`+file+`", appids: [wxa]}]}
`)
	unresolved := cfg
	if err := cfg.Resolve(variables("SECRET", "from env")); err != nil {
		t.Fatal(err)
	}
	if cfg.Accounts[0].Secret != "from env" || cfg.Ingest.Keys[0].Key != "from file" {
		t.Errorf("%q and %q", cfg.Accounts[0].Secret, cfg.Ingest.Keys[0].Key)
	}
	if unresolved.Accounts[0].Secret != "env:SECRET" {
		t.Error("the caller's copy changed")
	}
	err := unresolved.Resolve(variables())
	if err == nil || !strings.Contains(err.Error(), "accounts[0].secret: the environment variable SECRET is not set") {
		t.Errorf("the error is %v", err)
	}
}

// TestMaskedShowsNoSecret fills every text that may hold a secret, and looks for it.
func TestMaskedShowsNoSecret(t *testing.T) {
	const canary = "CANARY"
	cfg := Default()
	cfg.NATS = NATS{URL: "nats://user:CANARY@nats:4222", Users: []NATSUser{{User: "u", Password: canary}}}
	cfg.ClickHouse.DSN = "clickhouse://user:CANARY@ch:9000/unionlink?password=CANARY"
	cfg.ClickHouse.AnalystDSN = "clickhouse://ch:9000/unionlink?username=a&password=CANARY"
	cfg.ClickHouse.LimitedDSN = "clickhouse://limited:CANARY@ch:9000/unionlink"
	cfg.Accounts = []Account{{AppID: "wxa", Secret: canary}, {AppID: "wxb", Secret: "env:NAME"}}
	cfg.Accounts[0].Push.Token, cfg.Accounts[0].Push.AESKey = canary, canary
	cfg.Ingest.Keys = []ingest.Key{{Name: "k", Key: canary, SigningSecret: canary}, {Name: "h", Key: "sha256:CANARY"}}
	cfg.Analysts = Analysts{Tokens: []access.Token{{Name: "t", Token: canary}}, OIDC: sso.Config{ClientSecret: canary}, Secret: canary}
	cfg.WeChat.Pay.Merchants = []pay.Merchant{{MchID: "m", APIv3Key: canary, PlatformKeys: []pay.PlatformKey{{PEM: canary}}}}
	cfg.WeChatSim.Accounts = []wechatsim.Account{{AppID: "wxa", Secret: canary, Push: wechatsim.Push{Token: canary, AESKey: canary}}}
	cfg.WeChatSim.Merchants = []wechatsim.Merchant{{MchID: "m", APIv3Key: canary}}
	text, err := cfg.Masked()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), canary) {
		t.Errorf("a secret is shown:\n%s", text)
	}
	for _, kept := range []string{"env:NAME", "nats://user:***@nats:4222", "sha256:***"} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%s is not in\n%s", kept, text)
		}
	}
	if cfg.Accounts[0].Secret != canary {
		t.Error("the configuration itself was changed")
	}
	// What looks like a secret by its name must be in the list of them.
	listed := map[string]bool{}
	for _, s := range cfg.secrets() {
		listed[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(s.path, "")] = true
	}
	for _, path := range secretive(reflect.TypeFor[Config](), "") {
		if !listed[path] {
			t.Errorf("%s is not in the list of secrets", path)
		}
	}
}

// secretive are the paths of texts whose name says that they are secret.
func secretive(typ reflect.Type, path string) []string {
	name := regexp.MustCompile(`^(secret|key|token|password|signing_secret|aes_key|apiv3_key|pem)$`)
	switch typ.Kind() {
	case reflect.Slice:
		return secretive(typ.Elem(), path)
	case reflect.Struct:
		var all []string
		for i := range typ.NumField() {
			field := typ.Field(i)
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if key == "" || key == "-" {
				continue
			}
			at := strings.TrimPrefix(path+"."+key, ".")
			if field.Type.Kind() == reflect.String && name.MatchString(key) {
				all = append(all, at)
			}
			all = append(all, secretive(field.Type, at)...)
		}
		return all
	}
	return nil
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:0\naccounts: [{appid: wxa}]\n"))
	f.Add([]byte("nats: {port: 0, users: [{user: a}]}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := Default()
		if decode(text, &cfg) == nil {
			_ = cfg.Validate()
			if _, err := cfg.Masked(); err != nil {
				t.Error(err)
			}
		}
	})
}

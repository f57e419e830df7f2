package wechatsim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
)

// Config is what a simulator starts from, and what a reset returns it to.
type Config struct {
	// Listen is the address the simulator is served on. It has no password: keep it on loopback.
	Listen string `yaml:"listen" json:"listen"`
	// Seed determines every openid, unionid, code, token and key. Two simulators with one seed are alike.
	Seed string `yaml:"seed" json:"seed"`
	// PublicURL is where others reach the simulator, for the bill's download address. Empty: the Host of the request.
	PublicURL string `yaml:"public_url" json:"public_url"`
	// AvatarBase is the start of every headimgurl. Set it to the simulator's own address to have the pictures drawn.
	AvatarBase string `yaml:"avatar_base" json:"avatar_base"`
	// Accounts are the WeChat apps that exist from the start.
	Accounts []Account `yaml:"accounts" json:"accounts"`
	// Merchants are the WeChat Pay merchants that exist from the start.
	Merchants []Merchant `yaml:"merchants" json:"merchants"`
	// Users is how many users, u1 to uN, exist from the start.
	Users int `yaml:"users" json:"users"`
	// Knobs are the settings of everything WeChat leaves open or does oddly.
	Knobs Knobs `yaml:"knobs" json:"knobs"`
}

// Kind is what an account is; it decides which routes serve it.
type Kind string

// The kinds of accounts.
const (
	KindOfficialAccount Kind = "official_account"
	KindMiniProgram     Kind = "mini_program"
	KindWebsite         Kind = "website"
	KindMobileApp       Kind = "mobile_app"
)

// Account is one WeChat app.
type Account struct {
	AppID string `yaml:"appid" json:"appid"`
	Name  string `yaml:"name" json:"name"`
	Kind  Kind   `yaml:"kind" json:"kind"`
	// Platform is the Open Platform account the app is bound to. Empty: unbound, so nobody has a unionid.
	Platform string `yaml:"platform" json:"platform"`
	Secret   string `yaml:"secret" json:"secret"`
	// OriginalID is the gh_ name in ToUserName. Empty: made from the appid.
	OriginalID string `yaml:"original_id" json:"original_id"`
	// Domains are the callback domains, at most two for an official account: "host" or "host/path". An IP address
	// or a port, which WeChat forbids, is allowed here so that local servers can be tested.
	Domains []string `yaml:"domains" json:"domains"`
	Push    Push     `yaml:"push" json:"push"`
	// Unverified accounts, like subscription accounts, may not use web authorization.
	Unverified bool `yaml:"unverified" json:"unverified"`
	// IPAllow lists the addresses that may ask for an access token. Empty: all.
	IPAllow []string `yaml:"ip_allow" json:"ip_allow"`
}

// PushMode is how a pushed message is sent.
type PushMode string

// The push modes: in clear, in clear and encrypted together, encrypted only.
const (
	PushPlain      PushMode = "plain"
	PushCompatible PushMode = "compatible"
	PushAES        PushMode = "aes"
)

// Push is where and how an account's events are sent. An empty URL sends none.
type Push struct {
	URL    string   `yaml:"url" json:"url"`
	Token  string   `yaml:"token" json:"token"`
	AESKey string   `yaml:"aes_key" json:"aes_key"`
	Mode   PushMode `yaml:"mode" json:"mode"`
}

// Merchant is one WeChat Pay merchant.
type Merchant struct {
	MchID string `yaml:"mchid" json:"mchid"`
	Name  string `yaml:"name" json:"name"`
	// APIv3Key is the merchant's symmetric key: 32 bytes, used as they stand.
	APIv3Key string `yaml:"apiv3_key" json:"apiv3_key"`
	// NotifyURL receives payment and refund notifications. Empty: none are sent.
	NotifyURL string `yaml:"notify_url" json:"notify_url"`
	// PublicKey is the merchant's RSA key in PEM. Where given, requests signed with another are refused.
	PublicKey string `yaml:"public_key" json:"public_key"`
}

// DefaultConfig is a small world on one Open Platform account: two official accounts, a mini program, a website, a
// merchant and three users.
func DefaultConfig() Config {
	local := []string{"localhost", "127.0.0.1"}
	account := func(n int, name string, kind Kind) Account {
		return Account{
			AppID: fmt.Sprintf("wx51a0000000000%03d", n), Name: name, Kind: kind, Platform: "simulated",
			Secret: fmt.Sprintf("simulated-secret-%d", n), Domains: local,
		}
	}
	return Config{
		Listen: "127.0.0.1:8090", Seed: "unionlink", AvatarBase: "https://thirdwx.qlogo.cn", Users: 3,
		Accounts: []Account{
			account(1, "示例商城", KindOfficialAccount),
			account(2, "示例咖啡", KindOfficialAccount),
			account(3, "示例小程序", KindMiniProgram),
			account(4, "示例网站", KindWebsite),
		},
		Merchants: []Merchant{{MchID: "1900000001", Name: "示例商户", APIv3Key: "0123456789abcdef0123456789abcdef"}},
		Knobs:     DefaultKnobs(),
	}
}

// Validate tells every fault of the configuration at once, each with its path.
func (c *Config) Validate() error {
	var faults []error
	if c.Seed == "" {
		faults = append(faults, errors.New("seed: empty"))
	}
	if c.Users < 0 || c.Users > maxUsersPerCall {
		faults = append(faults, fmt.Errorf("users: %d is not within 0 to %d", c.Users, maxUsersPerCall))
	}
	for _, address := range []struct{ path, value string }{{"public_url", c.PublicURL}, {"avatar_base", c.AvatarBase}} {
		if address.value != "" && !isHTTPURL(address.value) {
			faults = append(faults, fmt.Errorf("%s: not an http address", address.path))
		}
	}
	seen := map[string]bool{}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if seen[a.AppID] {
			faults = append(faults, fmt.Errorf("accounts[%d].appid: %q is there twice", i, a.AppID))
		}
		seen[a.AppID] = true
		faults = append(faults, prefixed(fmt.Sprintf("accounts[%d]", i), a.faults())...)
	}
	for i := range c.Merchants {
		faults = append(faults, prefixed(fmt.Sprintf("merchants[%d]", i), c.Merchants[i].faults())...)
	}
	faults = append(faults, prefixed("knobs", c.Knobs.faults())...)
	return errors.Join(faults...)
}

func prefixed(path string, faults []error) []error {
	for i, fault := range faults {
		faults[i] = fmt.Errorf("%s.%w", path, fault)
	}
	return faults
}

var (
	appIDPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	domainPattern = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^?#@\s]*)?$`)
	tokenPattern  = regexp.MustCompile(`^[A-Za-z0-9]{3,32}$`)
)

func (a *Account) faults() []error {
	var faults []error
	if !appIDPattern.MatchString(a.AppID) {
		faults = append(faults, fmt.Errorf("appid: %q is not an appid", a.AppID))
	}
	switch a.Kind {
	case KindOfficialAccount, KindMiniProgram, KindWebsite, KindMobileApp:
	default:
		faults = append(faults, fmt.Errorf("kind: %q is none of official_account, mini_program, website, mobile_app", a.Kind))
	}
	if a.Secret == "" {
		faults = append(faults, errors.New("secret: empty"))
	}
	if a.Kind == KindOfficialAccount && len(a.Domains) > 2 {
		faults = append(faults, errors.New("domains: an official account has at most two"))
	}
	for i, domain := range a.Domains {
		if !validDomain(domain) {
			faults = append(faults, fmt.Errorf("domains[%d]: %q is not host[:port][/path]", i, domain))
		}
	}
	for i, ip := range a.IPAllow {
		if _, err := netip.ParseAddr(ip); err != nil {
			faults = append(faults, fmt.Errorf("ip_allow[%d]: %q is not an address", i, ip))
		}
	}
	return append(faults, prefixed("push", a.Push.faults())...)
}

func (p *Push) faults() []error {
	if p.URL == "" {
		return nil
	}
	var faults []error
	if !isHTTPURL(p.URL) {
		faults = append(faults, errors.New("url: not an http address"))
	}
	if !tokenPattern.MatchString(p.Token) {
		faults = append(faults, errors.New("token: not 3 to 32 letters and digits"))
	}
	switch p.Mode {
	case "", PushPlain:
	case PushCompatible, PushAES:
		if _, err := decodeAESKey(p.AESKey); err != nil {
			faults = append(faults, fmt.Errorf("aes_key: %w", err))
		}
	default:
		faults = append(faults, fmt.Errorf("mode: %q is none of plain, compatible, aes", p.Mode))
	}
	return faults
}

func (m *Merchant) faults() []error {
	var faults []error
	if !appIDPattern.MatchString(m.MchID) {
		faults = append(faults, fmt.Errorf("mchid: %q is not a merchant number", m.MchID))
	}
	if len(m.APIv3Key) != 32 {
		faults = append(faults, fmt.Errorf("apiv3_key: %d bytes, not 32", len(m.APIv3Key)))
	}
	if m.NotifyURL != "" && !isHTTPURL(m.NotifyURL) {
		faults = append(faults, errors.New("notify_url: not an http address"))
	}
	if m.PublicKey != "" {
		if _, err := parsePublicKey(m.PublicKey); err != nil {
			faults = append(faults, fmt.Errorf("public_key: %w", err))
		}
	}
	return faults
}

func isHTTPURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// decodeAESKey reads an EncodingAESKey: 43 characters of base64 without their padding, 32 bytes. WeChat's own keys
// may leave stray bits in the last character, so the decoding is lenient there.
func decodeAESKey(key string) ([]byte, error) {
	if len(key) != 43 {
		return nil, fmt.Errorf("%d characters, not 43", len(key))
	}
	raw, err := base64.StdEncoding.DecodeString(key + "=")
	if err != nil {
		return nil, fmt.Errorf("decode base64: %w", err)
	}
	return raw, nil
}

// validDomain tells whether a callback domain is host[:port][/path].
func validDomain(domain string) bool { return domainPattern.MatchString(domain) }

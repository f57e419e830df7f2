package embedded

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"text/template"
)

// The two configuration files of the ClickHouse server. Every value goes through the function xml.
var (
	//go:embed config.xml.tmpl
	configText string
	//go:embed users.xml.tmpl
	usersText string

	configTemplate = parseXML("config.xml", configText)
	usersTemplate  = parseXML("users.xml", usersText)
)

func parseXML(name, text string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"xml": escapeXML}).Option("missingkey=error").Parse(text))
}

func escapeXML(value any) (string, error) {
	var out strings.Builder
	if err := xml.EscapeText(&out, fmt.Append(nil, value)); err != nil {
		return "", fmt.Errorf("escape for xml: %w", err)
	}
	return out.String(), nil
}

// serverConfig is what config.xml.tmpl is filled from.
type serverConfig struct {
	Host                 string
	NativePort, HTTPPort int
	UsersFile            string
	LogFile, ErrorFile   string
	LogLevel             string
	MemoryLimit          int64 // bytes, of the whole server
	Sync                 bool  // fsync what an insert has written before it is answered
}

// usersConfig is what users.xml.tmpl is filled from.
type usersConfig struct {
	Database      string
	Loopback      bool // logins are taken from this machine alone
	LoaderSHA256  string
	AnalystSHA256 string
	LimitedSHA256 string
	LimitedTables []string // whose rows have an appid
	Engines       []string // table engines the loader may use
}

// loaderEngines are the table engines that unionlink's tables may have: those that keep their data inside the server.
var loaderEngines = []string{
	"MergeTree", "ReplacingMergeTree", "SummingMergeTree", "AggregatingMergeTree", "CollapsingMergeTree",
	"VersionedCollapsingMergeTree", "CoalescingMergeTree", "Memory", "Join", "Set", "Null", "Buffer", "Dictionary",
}

// limitedTables are the tables that have an account in each row.
var limitedTables = []string{"purchases", "purchases_log", "identities"}

// writeConfig renders both files below the server's folder and returns the path of the main one.
func (c *ClickHouse) writeConfig(native, http int) (string, error) {
	usersFile := filepath.Join(c.cfg.Dir, "users.xml")
	configFile := filepath.Join(c.cfg.Dir, "config.xml")
	users := usersConfig{
		Database:      c.cfg.Database,
		Loopback:      net.ParseIP(c.cfg.Host).IsLoopback(),
		LoaderSHA256:  sha256Hex(c.secrets[UserLoader]),
		AnalystSHA256: sha256Hex(c.secrets[UserAnalyst]),
		LimitedSHA256: sha256Hex(c.secrets[UserLimited]),
		LimitedTables: limitedTables,
		Engines:       loaderEngines,
	}
	config := serverConfig{
		Host:        c.cfg.Host,
		NativePort:  native,
		HTTPPort:    http,
		UsersFile:   usersFile,
		LogFile:     filepath.Join(c.cfg.Dir, "log", "clickhouse.log"),
		ErrorFile:   filepath.Join(c.cfg.Dir, "log", "clickhouse.err.log"),
		LogLevel:    c.cfg.LogLevel,
		MemoryLimit: c.cfg.MemoryLimit,
		Sync:        !c.cfg.LazySync,
	}
	if err := renderTo(usersFile, usersTemplate, users); err != nil {
		return "", err
	}
	return configFile, renderTo(configFile, configTemplate, config)
}

func renderTo(path string, tmpl *template.Template, values any) error {
	var out bytes.Buffer
	if err := tmpl.Execute(&out, values); err != nil {
		return fmt.Errorf("render %s: %w", tmpl.Name(), err)
	}
	return writePrivate(path, out.Bytes())
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

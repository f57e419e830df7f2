package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/ingest"
)

// CredentialsFile is the name of the file in the data folder.
const CredentialsFile = "credentials.json"

// Credentials are how to reach a running `unionlink up`, as DIR/credentials.json has it.
type Credentials struct {
	// IngestKey may publish for every configured account; empty where keys are configured.
	IngestKey string `json:"ingest_key"`
	// AnalystToken has the role admin; empty where tokens are configured.
	AnalystToken string `json:"analyst_token"`
	// Listen is host:port of the listener.
	Listen string `json:"listen"`
	// NATSURL has unionlink's own login, with all rights.
	NATSURL string `json:"nats_url"`
	// NATSUsers are the passwords of the embedded NATS's logins, one an account, by appid,
	// which is the login's name: it may publish the account's events and nothing else.
	NATSUsers  map[string]string     `json:"nats_users,omitempty"`
	ClickHouse ClickHouseCredentials `json:"clickhouse"`
}

// ClickHouseCredentials are of a user who reads and is limited.
type ClickHouseCredentials struct {
	Native          string `json:"native"`
	HTTP            string `json:"http"`
	AnalystUser     string `json:"analyst_user"`
	AnalystPassword string `json:"analyst_password"`
}

// URL is where the listener is reached: a listener on every address is reached by loopback.
func (c Credentials) URL() string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "http://" + c.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// ReadCredentials reads the credentials of the `unionlink up` that runs on a data folder.
func ReadCredentials(data string) (Credentials, error) {
	var c Credentials
	raw, err := os.ReadFile(filepath.Join(data, CredentialsFile))
	if err != nil {
		return c, fmt.Errorf("read credentials: %w", err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("read credentials in %s: %w", filepath.Join(data, CredentialsFile), err)
	}
	return c, nil
}

// issued are the keys in use, the configured and the made ones.
type issued struct {
	Credentials
	keys   []ingest.Key
	tokens []access.Token
	secret []byte // signs sessions and cursors
	fresh  bool   // made by this start, to be shown once
}

// issueKeys makes what is not configured and keeps it in the data folder, which only up has.
func (a *App) issueKeys(w *servers, listen string) (*issued, error) {
	k := &issued{keys: a.cfg.Ingest.Keys, tokens: a.cfg.Analysts.Tokens, secret: []byte(a.cfg.Analysts.Secret)}
	if a.target != TargetUp {
		return k, nil
	}
	old, err := ReadCredentials(a.cfg.Data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	kept, err := loadKept(a.cfg.Data)
	if err != nil {
		return nil, err
	}
	if len(k.secret) == 0 {
		k.secret = []byte(kept.APISecret)
	}
	if len(k.keys) == 0 && len(a.cfg.Accounts) > 0 {
		k.IngestKey = orNew(old.IngestKey, "ulk_", &k.fresh)
		k.keys = []ingest.Key{{Name: "generated", Key: k.IngestKey, AppIDs: a.appids()}}
	}
	if len(k.tokens) == 0 {
		k.AnalystToken = orNew(old.AnalystToken, "ult_", &k.fresh)
		k.tokens = []access.Token{{Name: "generated", Token: k.AnalystToken, Role: access.RoleAdmin}}
	}
	k.Listen, k.NATSURL, k.NATSUsers = listen, w.natsURL, w.natsUsers
	k.ClickHouse = ClickHouseCredentials{Native: w.native, HTTP: w.http, AnalystUser: w.analystUser, AnalystPassword: w.analystPassword}
	return k, writePrivate(filepath.Join(a.cfg.Data, CredentialsFile), k.Credentials)
}

func orNew(old, prefix string, fresh *bool) string {
	if old != "" {
		return old
	}
	*fresh = true
	return prefix + newSecret()
}

func (a *App) appids() []string {
	ids := make([]string, 0, len(a.cfg.Accounts))
	for _, account := range a.cfg.Accounts {
		ids = append(ids, account.AppID)
	}
	return slices.Clip(ids)
}

// kept is what up must find again at its next start and nobody else needs, in DIR/kept.json.
type kept struct {
	NATSPassword string `json:"nats_password"`
	NATSStore    int64  `json:"nats_store_bytes"`
	APISecret    string `json:"api_secret"`
}

const keptFile = "kept.json"

// loadKept makes folder and file at the first start.
func loadKept(data string) (*kept, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("create the data folder: %w", err)
	}
	k := &kept{}
	raw, err := os.ReadFile(filepath.Join(data, keptFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.NATSPassword, k.APISecret = newSecret(), newSecret()+newSecret()
		return k, k.save(data)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", keptFile, err)
	}
	if err := json.Unmarshal(raw, k); err != nil {
		return nil, fmt.Errorf("read %s in the data folder: %w", keptFile, err)
	}
	return k, nil
}

func (k *kept) save(data string) error { return writePrivate(filepath.Join(data, keptFile), k) }

// writePrivate replaces a file at once by v as JSON, mode 0600, on disk when it returns.
func writePrivate(path string, v any) (err error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // has mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = file.Write(append(text, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

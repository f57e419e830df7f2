package embedded

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestConfig_escapes_what_it_is_given(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a <b> & "c"`)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	server := &ClickHouse{
		cfg:     ClickHouseConfig{Dir: dir}.withDefaults(),
		secrets: passwords{UserLoader: "one", UserAnalyst: "two"},
	}
	path, err := server.writeConfig(9000, 8123)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Users  string `xml:"users_config"`
		Native int    `xml:"tcp_port"`
		Sync   int    `xml:"merge_tree>fsync_after_insert"`
	}
	if err := xml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	if config.Users != filepath.Join(dir, "users.xml") || config.Native != 9000 || config.Sync != 1 {
		t.Errorf("the file reads as %+v", config)
	}
}

func TestConfig_passwords_are_hashed(t *testing.T) {
	dir := t.TempDir()
	server := &ClickHouse{cfg: ClickHouseConfig{Dir: dir}.withDefaults(), secrets: passwords{UserLoader: "plain one", UserAnalyst: "plain two"}}
	if _, err := server.writeConfig(1, 2); err != nil {
		t.Fatal(err)
	}
	users, err := os.ReadFile(filepath.Join(dir, "users.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(users), "plain") {
		t.Error("users.xml has a password in clear")
	}
	if !strings.Contains(string(users), sha256Hex("plain one")) {
		t.Error("users.xml lacks the loader's password")
	}
}

func FuzzEscapeXML(f *testing.F) {
	for _, seed := range []string{"", "plain", `<a b="c">&'`, "]]>", "漢字", "\x00", "\r\n\t", "{{.}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped, err := escapeXML(text)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := xml.Unmarshal([]byte("<v>"+escaped+"</v>"), &back); err != nil {
			t.Fatalf("%q becomes %q, which does not parse: %v", text, escaped, err)
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, outsideXML) && back != text {
			t.Errorf("%q comes back as %q", text, back)
		}
	})
}

// outsideXML reports characters that XML 1.0 cannot carry; they become U+FFFD.
func outsideXML(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

func FuzzLoadPasswords(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"loader":"a","analyst":"b"}`, `{"loader":"a"}`, `{"loader":1}`, "[]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "secrets.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := loadPasswords(dir)
		if err != nil {
			return
		}
		if first[UserLoader] == "" || first[UserAnalyst] == "" {
			t.Errorf("%q gives an empty password", data)
		}
		second, err := loadPasswords(dir)
		if err != nil || second[UserLoader] != first[UserLoader] || second[UserAnalyst] != first[UserAnalyst] {
			t.Errorf("%q gives other passwords the second time: %v", data, err)
		}
	})
}

func FuzzReadOwner(f *testing.F) {
	for _, seed := range []string{"", "1\n", "-1", "0", "x", strings.Repeat("9", 40)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "lock")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if pid := readOwner(file); pid < 0 {
			t.Errorf("%q names pid %d, which to kill(2) is a group", data, pid)
		}
	})
}

package login

import (
	"os/exec"
	"strings"
	"testing"
)

func TestScript(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "node", "--test", "testdata/unionlink.test.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("node, which the console's build needs too, says: %v\n%s", err, out)
	}
}

func TestParseReturn(t *testing.T) {
	for _, good := range []string{"https://shop.example", "https://shop.example/", "http://localhost:5173/a/b/?q=1#f"} {
		if _, err := parseReturn(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/page", "//evil.example", "shop.example", "javascript:alert(1)", "https:shop.example", "https://shop.example@evil.example/",
		`https://shop.example\@evil.example/`, "https://shop.example/a/../b", "https://shop.example//b", "https://shop.example/\n", "https://店.example/",
	} {
		if u, err := parseReturn(bad); err == nil {
			t.Errorf("%q was taken as %s", bad, u)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, c := range []struct {
		path, base string
		want       bool
	}{
		{"/", "/", true}, {"/a", "/", true}, {"", "/", true}, {"/a", "/a", true}, {"/a/b", "/a", true}, {"/a/b", "/a/", true},
		{"/ab", "/a", false}, {"/", "/a", false}, {"", "/a", false},
	} {
		if got := under(c.path, c.base); got != c.want {
			t.Errorf("%q under %q is %v", c.path, c.base, got)
		}
	}
}

func TestClean(t *testing.T) {
	if got := clean("A\x14\u0085l\u200dice\n"); got != "Al\u200dice" {
		t.Errorf("%q", got)
	}
	if got := clean(strings.Repeat("爱", 1000)); len(got) > 2048 || !strings.HasSuffix(got, "爱") {
		t.Error(len(got))
	}
}

func FuzzParseReturn(f *testing.F) {
	for _, s := range []string{"https://shop.example/a", "//x", `http://a\b`, "http://[::1]:80/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseReturn(s)
		if err != nil {
			return
		}
		again, err := parseReturn(u.String())
		if err != nil || again.Host != u.Host || again.Scheme != u.Scheme {
			t.Fatalf("%q became %q: %v", s, u, err)
		}
	})
}

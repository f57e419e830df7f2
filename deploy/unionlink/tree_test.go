package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// file reads what a command gets or ought to print.
func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// explain runs the command against an API that answers every person with the file, and
// returns what it prints and which addresses it asked.
func explain(t *testing.T, args ...string) (string, []string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		_, _ = w.Write(file(t, "explain.json"))
	}))
	defer server.Close()
	var out bytes.Buffer
	root := newRoot(&terminal{out: &out, err: &out, lookup: func(string) (string, bool) { return "", false }})
	root.SetArgs(append([]string{"explain", "--url", server.URL, "--token", "t"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String(), asked
}

func TestExplain(t *testing.T) {
	t.Run("prints a tree that no name can break", func(t *testing.T) {
		got, _ := explain(t, "p_1111111111111111")
		if d := cmp.Diff(string(file(t, "explain.txt")), got); d != "" {
			t.Error(d)
		}
	})
	t.Run("prints the api's json", func(t *testing.T) {
		got, _ := explain(t, "p_1111111111111111", "--json")
		var printed, answered any
		if err := json.Unmarshal([]byte(got), &printed); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(file(t, "explain.json"), &answered); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(answered, printed); d != "" {
			t.Error(d)
		}
	})
	t.Run("asks for an identity's person as of the same moment", func(t *testing.T) {
		_, asked := explain(t, "wx1", "o/1", "--as-of", "2026-11-01")
		want := []string{"/v1/identities/wx1/o%2F1?as_of=2026-11-01", "/v1/persons/p_00c0ffee00c0ffee/explain?as_of=2026-11-01"}
		if d := cmp.Diff(want, asked); d != "" {
			t.Error(d)
		}
	})
}

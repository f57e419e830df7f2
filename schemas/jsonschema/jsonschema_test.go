package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/jsonschema"
	"github.com/unionlink/unionlink/schemas/stream"
)

func compile(t *testing.T, k schemas.Kind) *validator.Schema {
	t.Helper()
	raw, ok := jsonschema.Schema(k)
	if !ok {
		t.Fatalf("there is no schema of %s", k)
	}
	doc, err := validator.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.AssertFormat()
	name := "urn:unionlink:schemas:v1:" + string(k)
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExamples(t *testing.T) {
	compiled := make(map[schemas.Kind]*validator.Schema)
	for _, k := range schemas.Kinds {
		compiled[k] = compile(t, k)
	}
	files, err := filepath.Glob("examples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("find examples: %v (%d files)", err, len(files))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			value, err := validator.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			kind := schemas.Kind(name[:strings.IndexByte(name, '.')])
			valid := !strings.HasSuffix(name, ".invalid")
			if err := compiled[kind].Validate(value); (err == nil) != valid {
				t.Errorf("the schema should say valid=%v: %v", valid, err)
			}
			if _, err := schemas.Decode(kind, data); (err == nil) != valid {
				t.Errorf("Decode should say valid=%v: %v", valid, err)
			}
		})
	}
}

func TestCurrenciesAreThoseOfDecode(t *testing.T) {
	raw, _ := jsonschema.Schema(schemas.KindPurchase)
	var doc struct {
		Properties struct {
			Currency struct {
				Enum []string `json:"enum"`
			} `json:"currency"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, c := range doc.Properties.Currency.Enum {
		listed[c] = true
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				if schemas.KnownCurrency(code) != listed[code] {
					t.Errorf("%s: known to Decode %v, to the schema %v", code, schemas.KnownCurrency(code), listed[code])
				}
			}
		}
	}
}

func TestAsyncAPI(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(jsonschema.AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("version is %v", doc["asyncapi"])
	}
	t.Run("each kind has the channel of its subject", func(t *testing.T) {
		addresses := make(map[string]bool)
		for _, c := range doc["channels"].(map[string]any) {
			addresses[c.(map[string]any)["address"].(string)] = true
		}
		for _, k := range schemas.Kinds {
			if want := stream.Subject(k, "{appid}"); !addresses[want] {
				t.Errorf("no channel has the address %s", want)
			}
		}
	})
	t.Run("each reference leads somewhere", func(t *testing.T) {
		checkReferences(t, doc, doc)
	})
}

func checkReferences(t *testing.T, doc, node any) {
	t.Helper()
	switch n := node.(type) {
	case []any:
		for _, v := range n {
			checkReferences(t, doc, v)
		}
	case map[string]any:
		if ref, ok := n["$ref"].(string); ok && !leads(doc, ref) {
			t.Errorf("%s leads nowhere", ref)
		}
		for _, v := range n {
			checkReferences(t, doc, v)
		}
	}
}

func leads(doc any, ref string) bool {
	if kind, ok := strings.CutPrefix(ref, "/schemas/v1/"); ok {
		_, found := jsonschema.Schema(schemas.Kind(strings.TrimSuffix(kind, ".json")))
		return found
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, ok := doc.(map[string]any)
		if !ok {
			return false
		}
		if doc, ok = m[step]; !ok {
			return false
		}
	}
	return true
}

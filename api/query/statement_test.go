package query

import (
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestStatements composes every statement in every shape and holds it to naming only parameters that are sent, or that its
// method is known to add.
func TestStatements(t *testing.T) {
	sent := Params{Cursor: &Cursor{}, MinAmount: new(int64), MaxAmount: new(int64)}.everything()
	parameter := regexp.MustCompile(`\{(\w+):\w+(\(\w+\))?\}`)
	names, err := fs.Glob(files, "sql/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d statements, %v", len(names), err)
	}
	for _, name := range names {
		for _, s := range shapes() {
			text, err := statement(strings.TrimSuffix(strings.TrimPrefix(name, "sql/"), ".sql"), s)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(text, "-- ") {
				t.Errorf("%s does not begin by saying what it answers", name)
			}
			for _, found := range parameter.FindAllStringSubmatch(text, -1) {
				if !sent[found[1]] {
					t.Errorf("%s names {%s}, which is never sent", name, found[1])
				}
			}
			if strings.Contains(text, "<no value>") {
				t.Errorf("%s has a hole", name)
			}
		}
	}
}

// everything is the names of all parameters.
func (p Params) everything() map[string]bool {
	out := map[string]bool{}
	for name := range p.args() {
		out[name] = true
	}
	for _, name := range []string{"currency", "accounts", "numbers", "bits_0", "bits_1", "bounds", "exact", "segment", "recency", "frequency", "grid", "segments", "reference",
		"person", "identity", "space", "key", "since", "after_currency", "top", "leaders", "max_identities"} {
		out[name] = true
	}
	return out
}

// shapes are the plain one, each with one more fragment, and the one with all.
func shapes() []shape {
	all := shape{Words: []int{0, 1}}
	out := []shape{{Words: []int{0}}}
	v := reflect.ValueOf(&all).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() != reflect.Bool {
			continue
		}
		one := shape{Words: []int{0}}
		reflect.ValueOf(&one).Elem().Field(i).SetBool(true)
		v.Field(i).SetBool(true)
		out = append(out, one)
	}
	return append(out, all)
}

// TestMeanings holds that every field of every answer is explained.
func TestMeanings(t *testing.T) {
	for _, row := range []any{SummaryRow{}, AccountRow{}, Point{}, OverlapSet{}, TopPerson{}, Cohort{}, CohortMonth{}, SegmentRow{}, Journey{}, ProductRow{}, RefundRow{},
		PurchaseRow{}, Total{}, Identity{}} {
		for _, name := range fields(reflect.TypeOf(row)) {
			if Meanings[name] == "" {
				t.Errorf("%T has %s, which is not explained", row, name)
			}
		}
	}
}

func fields(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			out = append(out, fields(f.Type)...)
		} else if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// TestExtent_many holds that a set of more accounts than a word has bits keeps them all apart.
func TestExtent_many(t *testing.T) {
	e := extent{Currency: "CNY"}
	for i := range 130 {
		e.AppIDs = append(e.AppIDs, "wx"+string(rune('A'+i/26))+string(rune('a'+i%26)))
	}
	s, a := e.in(&Params{}, shape{}, args{})
	if len(s.Words) != 3 {
		t.Fatalf("%d words for 130 accounts", len(s.Words))
	}
	want := []string{e.AppIDs[0], e.AppIDs[63], e.AppIDs[64], e.AppIDs[129]}
	set, ok := e.set(want)
	if got := e.accounts(set); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("the set of %v holds %v", want, got)
	}
	if bits := a["bits_1"].([]uint64); bits[63] != 0 || bits[64] != 1 || bits[128] != 0 {
		t.Errorf("word 1 has the bits %v", bits)
	}
	if _, ok := e.set([]string{"wx-unheard"}); ok {
		t.Error("an unknown account is of the set")
	}
}

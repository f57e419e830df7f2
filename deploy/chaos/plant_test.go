package chaos

import (
	"slices"
	"testing"
)

// root is the module, seen from this package.
const root = "../.."

// TestPlants: the texts that planted bugs replace are still there, and the judge
// catches the two that the field knows best; `unionlink chaos plant` tries all.
func TestPlants(t *testing.T) {
	t.Parallel()
	for _, p := range Plants() {
		t.Run(p.Name, func(t *testing.T) {
			if _, err := p.apply(root); err != nil {
				t.Fatal(err)
			}
			if err := checkNames(p.Faults); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains([]string{"seen-before-write", "dead-letter-not-awaited"}, p.Name) {
				return
			}
			v, err := p.Catch(t.Context(), testConfig(t), root)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Violations) == 0 {
				t.Fatalf("%s: the judge did not notice", p.About)
			}
		})
	}
}

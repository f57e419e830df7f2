package query

import (
	"embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed sql/*.sql sql/fragments/*.sql
var files embed.FS

// statements are the reports' SQL, one file a statement, composed of the fragments.
var statements = template.Must(template.ParseFS(files, "sql/fragments/*.sql", "sql/*.sql"))

// shape says which fixed fragments a statement is composed of. Nothing of it is text: what a user typed travels as
// query parameters only.
type shape struct {
	// Log reads all versions, as of {as_of}, instead of the present ones.
	Log bool
	// From and To say that the period is bounded there.
	From, To bool
	// Selected and Allowed say that the accounts are narrowed by {selected} and {allowed}.
	Selected, Allowed bool
	// Currency, Category, SKU and so on say that the parameter of that name narrows the rows.
	Currency, Category, SKU, MinAmount, MaxAmount, Linked, Unlinked bool
	// New, Returning and FirstAccount keep persons by their very first purchase.
	New, Returning, FirstAccount bool
	// ByAccount splits by account, Exact and Segment keep persons by their accounts and their segment.
	ByAccount, Exact, Segment bool
	// History keeps what occurred before From too: the report itself says what From bounds.
	History bool
	// ItemSKU and ItemCategory say that {sku} and {category} choose the items that buyers are followed from.
	ItemSKU, ItemCategory bool
	// Member narrows to the identities of {person}.
	Member bool
	// Leaders narrows to the persons {leaders}.
	Leaders bool
	// After continues behind a cursor, Limit cuts the page at {limit}.
	After, Limit bool
	// Words number the 64-bit words of a set of accounts.
	Words []int
}

func (p *Params) shape() shape {
	_, all := p.selected()
	return shape{
		Log: p.AsOf != nil, From: !p.From.IsZero(), To: !p.To.IsZero(), Selected: !all, Allowed: p.Allowed != nil,
		Currency: p.Currency != "", Category: p.Category != "", SKU: p.SKU != "",
		MinAmount: p.MinAmount != nil, MaxAmount: p.MaxAmount != nil,
		Linked: p.Linked == LinkedYes, Unlinked: p.Linked == LinkedNo,
		New: p.Buyers == BuyersNew, Returning: p.Buyers == BuyersReturning, FirstAccount: p.FirstAccount != "",
		Exact: p.ExactAccounts != nil, Segment: p.Segment != "", After: p.Cursor != nil, Limit: p.Limit > 0,
		Words: []int{0},
	}
}

// ByFirst says that persons are kept by their very first purchase.
func (s shape) ByFirst() bool { return s.New || s.Returning || s.FirstAccount }

// Whole reads everything that ever occurred.
func (s shape) Whole() shape {
	s.From, s.To, s.Leaders = false, false, false
	return s
}

// statement composes the statement of a file in sql.
func statement(name string, s shape) (string, error) {
	var text strings.Builder
	if err := statements.ExecuteTemplate(&text, name+".sql", s); err != nil {
		return "", fmt.Errorf("compose %s: %w", name, err)
	}
	return text.String(), nil
}

package bulk

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/unionlink/unionlink/schemas"
)

// Columns are the names that a CSV file's header may have, by kind. Login files may also
// have columns key_SPACE, each the identity's key in that space.
var Columns = map[schemas.Kind][]string{
	schemas.KindLogin: {"event_id", "occurred_at", "appid", "openid", "unionid", "scope", "snapshot_user", "nickname", "headimgurl"},
	schemas.KindPurchase: {
		"event_id", "occurred_at", "appid", "openid", "unionid", "order_id", "kind", "refund_id", "amount", "currency", "revision",
		"items", "item_sku", "item_name", "item_category", "item_quantity", "item_amount",
	},
	schemas.KindIdentity: {"event_id", "occurred_at", "appid", "openid", "action", "space", "from_appid", "from_openid"},
}

const keyColumn = "key_"

// csvLines turns each row into the JSON of an event.
type csvLines struct {
	in     *csv.Reader
	kind   schemas.Kind
	header []string
}

// newCSVLines reads the header. A name that is not known is an error: a typing mistake
// would lose a column silently.
func newCSVLines(in io.Reader, kind schemas.Kind) (*csvLines, error) {
	c := &csvLines{in: csv.NewReader(in), kind: kind}
	c.in.ReuseRecord = true
	header, err := c.in.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header row: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		space, isKey := strings.CutPrefix(name, keyColumn)
		known := slices.Contains(Columns[kind], name) || isKey && space != "" && kind == schemas.KindLogin
		switch {
		case !known:
			return nil, fmt.Errorf("the header row has the column %q; known are %s", name, strings.Join(Columns[kind], ", "))
		case seen[name]:
			return nil, fmt.Errorf("the header row has the column %q twice", name)
		}
		seen[name] = true
		c.header = append(c.header, name)
	}
	if seen["items"] && seen["item_sku"] {
		return nil, errors.New("the header row has both items and item_sku; give items in one way")
	}
	return c, nil
}

func (c *csvLines) next() (line, error) {
	record, err := c.in.Read()
	var fault *csv.ParseError
	switch {
	case errors.As(err, &fault) && errors.Is(err, csv.ErrFieldCount):
		at, _ := c.in.FieldPos(0)
		return line{no: int64(at), text: []byte(strings.Join(record, ",")), fault: &schemas.Refusal{
			Type: "invalid-csv", Detail: fmt.Sprintf("the row has %d columns, the header %d", len(record), len(c.header)),
		}}, nil
	case err != nil:
		return line{}, err // a quote that never ends swallows the rest of the file
	}
	at, _ := c.in.FieldPos(0)
	text, err := json.Marshal(c.event(record))
	if err != nil {
		return line{}, fmt.Errorf("row at line %d: %w", at, err)
	}
	return line{no: int64(at), text: text}, nil
}

var (
	integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	numbers = []string{"amount", "revision"}
)

// event is a row as JSON has it. An empty cell states nothing. What should be a number
// and is none stays a text, for ingest to name.
func (c *csvLines) event(record []string) map[string]any {
	e := map[string]any{}
	item, profile := map[string]any{}, map[string]any{}
	var keys []map[string]string
	for i, name := range c.header {
		cell := strings.TrimSpace(record[i])
		part, isItem := strings.CutPrefix(name, "item_")
		space, isKey := strings.CutPrefix(name, keyColumn)
		switch {
		case cell == "":
		case isItem:
			item[part] = value(cell, part == "quantity" || part == "amount")
		case isKey:
			keys = append(keys, map[string]string{"space": space, "value": cell})
		case name == "nickname" || name == "headimgurl":
			profile[name] = cell
		case name == "snapshot_user":
			e[name] = boolean(cell)
		case name == "items" && json.Valid([]byte(cell)):
			e[name] = json.RawMessage(cell)
		default:
			e[name] = value(cell, slices.Contains(numbers, name))
		}
	}
	if len(profile) > 0 {
		e["profile"] = profile
	}
	if len(keys) > 0 {
		e["keys"] = keys
	}
	if c.kind == schemas.KindPurchase {
		c.complete(e, item)
	}
	return e
}

// complete fills in what a row of purchases may leave out.
func (c *csvLines) complete(e, item map[string]any) {
	if _, ok := e["kind"]; !ok {
		e["kind"] = "purchase"
	}
	if len(item) == 0 {
		return
	}
	if _, ok := item["quantity"]; !ok {
		item["quantity"] = 1
	}
	if _, ok := item["amount"]; !ok {
		item["amount"] = e["amount"]
	}
	e["items"] = []any{item}
}

func value(cell string, number bool) any {
	if number && integer.MatchString(cell) {
		return json.RawMessage(cell)
	}
	return cell
}

func boolean(cell string) any {
	switch strings.ToLower(cell) {
	case "true", "1":
		return true
	case "false", "0":
		return false
	}
	return cell
}

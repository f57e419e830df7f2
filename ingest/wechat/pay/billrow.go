package pay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// beijing is the zone of a bill's times.
var beijing = time.FixedZone("UTC+8", 8*3600)

// row is one payment or refund of a bill. Amounts are in the currency's minor unit.
type row struct {
	at                        time.Time
	appid, openid             string
	transactionID, outTradeNo string
	currency                  string
	amount                    int64
	refundID                  string // empty for payments
	refunded                  int64
	refundAt                  time.Time
	tradeState, refundState   string
}

// moved tells whether the row moved money: a payment that succeeded, or a refund that did.
func (r row) moved() bool {
	if r.refundID != "" {
		return r.refundState == "SUCCESS" && r.refunded > 0
	}
	return r.tradeState == "SUCCESS"
}

// The columns that are read; which others there are, and the order, differ by the
// type of the bill.
const (
	colTime        = "交易时间"
	colAppID       = "公众账号ID"
	colTransaction = "微信订单号"
	colOutTradeNo  = "商户订单号"
	colOpenID      = "用户标识"
	colState       = "交易状态"
	colCurrency    = "货币种类"
	colAmount      = "订单金额"
	colRefundID    = "微信退款单号"
	colRefunded    = "申请退款金额"
	colRefundState = "退款状态"
	colRefundTime  = "退款成功时间"
	colGoods       = "商品名称"
)

var required = []string{colTime, colAppID, colTransaction, colOutTradeNo, colOpenID, colState, colCurrency, colAmount}

// bill reads a bill line by line.
type bill struct {
	lines   *bufio.Scanner
	line    int
	columns map[string]int
	width   int
}

// newBill reads the head of a bill: UTF-8, with or without byte order mark, plain or gzip.
func newBill(r io.Reader) (*bill, error) {
	buffered := bufio.NewReader(r)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the bill: %w", err)
	}
	var source io.Reader = buffered
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("unpack the bill: %w", err)
		}
		source = unpacked
	}
	b := &bill{lines: bufio.NewScanner(source), columns: make(map[string]int)}
	b.lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	head, ok := b.next()
	if !ok {
		return nil, errors.Join(errors.New("the bill is empty"), b.lines.Err())
	}
	names := strings.Split(strings.TrimPrefix(head, "\ufeff"), ",")
	for i, name := range names {
		b.columns[strings.Trim(name, "` \t")] = i
	}
	b.width = len(names)
	for _, name := range required {
		if _, ok := b.columns[name]; !ok {
			return nil, fmt.Errorf("the bill has no column %s: is it a trade bill (交易账单)?", name)
		}
	}
	return b, nil
}

func (b *bill) next() (string, bool) {
	for b.lines.Scan() {
		b.line++
		if text := strings.TrimRight(b.lines.Text(), "\r"); text != "" {
			return text, true
		}
	}
	return "", false
}

// read returns the next row; io.EOF at the summary, which every whole bill ends with.
func (b *bill) read() (row, error) {
	text, ok := b.next()
	if !ok {
		if err := b.lines.Err(); err != nil {
			return row{}, fmt.Errorf("read the bill after line %d: %w", b.line, err)
		}
		return row{}, fmt.Errorf("the bill ends at line %d without its summary: it is not whole", b.line)
	}
	if !strings.HasPrefix(text, "`") {
		return row{}, io.EOF // the summary's head
	}
	cells, err := b.cells(text)
	if err != nil {
		return row{}, fmt.Errorf("line %d of the bill: %w", b.line, err)
	}
	r, err := b.row(cells)
	if err != nil {
		return row{}, fmt.Errorf("line %d of the bill: %w", b.line, err)
	}
	return r, nil
}

// cells splits a row. Every cell begins with a backtick, so a comma inside a cell
// splits nothing unless a backtick follows; such a name of goods is put together again.
func (b *bill) cells(text string) ([]string, error) {
	cells := strings.Split(text[1:], ",`")
	if extra := len(cells) - b.width; extra > 0 {
		goods, ok := b.columns[colGoods]
		if !ok {
			return nil, fmt.Errorf("has %d cells, not %d", len(cells), b.width)
		}
		name := strings.Join(cells[goods:goods+extra+1], ",`")
		cells = append(append(cells[:goods:goods], name), cells[goods+extra+1:]...)
	}
	if len(cells) != b.width {
		return nil, fmt.Errorf("has %d cells, not %d", len(cells), b.width)
	}
	return cells, nil
}

func (b *bill) row(cells []string) (row, error) {
	get := func(name string) string {
		if i, ok := b.columns[name]; ok {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	r := row{
		appid: get(colAppID), openid: get(colOpenID), transactionID: get(colTransaction), outTradeNo: get(colOutTradeNo),
		currency: get(colCurrency), tradeState: get(colState), refundState: get(colRefundState),
	}
	if id := get(colRefundID); id != "" && id != "0" { // payments have 0 or nothing
		r.refundID = id
	}
	var err error
	if r.at, err = time.ParseInLocation(time.DateTime, get(colTime), beijing); err != nil {
		return row{}, fmt.Errorf("%s is not a time", colTime)
	}
	r.refundAt = r.at
	if text := get(colRefundTime); text != "" && r.refundID != "" {
		if r.refundAt, err = time.ParseInLocation(time.DateTime, text, beijing); err != nil {
			return row{}, fmt.Errorf("%s is not a time", colRefundTime)
		}
	}
	digits := schemas.MinorDigits(r.currency)
	if r.amount, err = parseAmount(get(colAmount), digits); err != nil {
		return row{}, fmt.Errorf("%s %w", colAmount, err)
	}
	if r.refundID != "" {
		if r.refunded, err = parseAmount(get(colRefunded), digits); err != nil {
			return row{}, fmt.Errorf("%s %w", colRefunded, err)
		}
	}
	return r, nil
}

// parseAmount reads a decimal such as 123.45 as minor units, exactly: no float is near.
func parseAmount(s string, digits int) (int64, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) == 0 || len(whole) > 14 {
		return 0, errors.New("is not an amount")
	}
	for len(fraction) > digits && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	if len(fraction) > digits {
		return 0, errors.New("is finer than the currency's minor unit")
	}
	text := whole + fraction + strings.Repeat("0", digits-len(fraction))
	if strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, errors.New("is not an amount")
	}
	return strconv.ParseInt(text, 10, 64)
}

package wechatsim

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// billFile is a bill that waits to be fetched.
type billFile struct {
	body    []byte
	gzipped bool
	expires time.Time
}

const (
	billReadyHour   = 10 // in the morning after
	billDownloadFor = 5 * time.Minute
	billTimeFormat  = "2006-01-02 15:04:05"
)

// The columns of a bill, in order. Each type of bill has those marked with its letter: a ALL, s SUCCESS, r REFUND.
var billColumns = []struct{ name, types string }{
	{"交易时间", "asr"}, {"公众账号ID", "asr"}, {"商户号", "asr"}, {"特约商户号", "asr"}, {"设备号", "asr"},
	{"微信订单号", "asr"}, {"商户订单号", "asr"}, {"用户标识", "asr"}, {"交易类型", "asr"}, {"交易状态", "asr"},
	{"付款银行", "asr"}, {"货币种类", "asr"}, {"应结订单金额", "asr"}, {"代金券金额", "asr"},
	{"退款申请时间", "r"}, {"退款成功时间", "r"},
	{"微信退款单号", "ar"}, {"商户退款单号", "ar"}, {"退款金额", "ar"}, {"充值券退款金额", "ar"},
	{"退款类型", "ar"}, {"退款状态", "ar"},
	{"商品名称", "asr"}, {"商户数据包", "asr"}, {"手续费", "asr"}, {"费率", "asr"}, {"订单金额", "asr"},
	{"申请退款金额", "ar"}, {"费率备注", "asr"},
}

var billTypes = map[string]string{"": "a", "ALL": "a", "SUCCESS": "s", "REFUND": "r"}

type billAnswer struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
}

// tradeBill is /v3/bill/tradebill: makes the bill of a day and tells where it can be fetched for five minutes. The
// hash is that of the bill before compression.
func (s *Simulator) tradeBill(m *merchant, r *http.Request, now time.Time) (any, error) {
	q := r.URL.Query()
	letter, known := billTypes[q.Get("bill_type")]
	gzipped := q.Get("tar_type") == "GZIP"
	if !known || (q.Get("tar_type") != "" && !gzipped) {
		return nil, &payError{http.StatusBadRequest, "PARAM_ERROR", "参数错误: bill_type, tar_type"}
	}
	day, err := billDay(q.Get("bill_date"), now)
	if err != nil {
		return nil, err
	}
	bill := m.bill(day, letter)
	if bill == nil {
		return nil, &payError{http.StatusBadRequest, "NO_STATEMENT_EXIST", "账单文件不存在"}
	}
	if s.world.knobs.BillBOM {
		bill = append([]byte("\ufeff"), bill...)
	}
	sum := sha1.Sum(bill)
	maps.DeleteFunc(m.downloads, func(_ string, f billFile) bool { return !now.Before(f.expires) })
	token := s.world.mint.nonce(40)
	m.downloads[token] = billFile{bill, gzipped, now.Add(billDownloadFor)}
	base := s.cfg.PublicURL
	if base == "" {
		base = "http://" + r.Host
	}
	return billAnswer{
		"SHA1", hex.EncodeToString(sum[:]), strings.TrimSuffix(base, "/") + "/v3/billdownload/file?token=" + url.QueryEscape(token),
	}, nil
}

// billDay reads a bill's date. A bill is ready at ten the next morning and kept for three months.
func billDay(date string, now time.Time) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, date, beijing)
	if err != nil {
		return day, &payError{http.StatusBadRequest, "PARAM_ERROR", "参数错误: bill_date 格式为 yyyy-MM-dd"}
	}
	if now.Before(day.AddDate(0, 0, 1).Add(billReadyHour * time.Hour)) {
		return day, &payError{http.StatusBadRequest, "STATEMENT_CREATING", "账单生成中，请稍后再试"}
	}
	if day.Before(now.AddDate(0, -3, -1)) {
		return day, &payError{http.StatusBadRequest, "PARAM_ERROR", "参数错误: 只支持三个月内的账单"}
	}
	return day, nil
}

// billDownload is /v3/billdownload/file.
func billDownload(m *merchant, r *http.Request, now time.Time) (any, error) {
	file, ok := m.downloads[r.URL.Query().Get("token")]
	if !ok || !now.Before(file.expires) {
		return nil, &payError{http.StatusBadRequest, "INVALID_REQUEST", "下载链接无效或已过期"}
	}
	if !file.gzipped {
		return rawAnswer{"text/plain", file.body}, nil
	}
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	if _, err := zip.Write(file.body); err != nil {
		return nil, fmt.Errorf("compress bill: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("compress bill: %w", err)
	}
	return rawAnswer{"application/x-gzip", buf.Bytes()}, nil
}

// billEntry is a row of a bill: a payment, or a refund of it.
type billEntry struct {
	at      time.Time
	payment *payment
	refund  *refund
}

// bill writes the bill of a day, nil where nothing happened. A comma in a description stands as it is: what separates
// the cells is a comma and a backtick.
func (m *merchant) bill(day time.Time, letter string) []byte {
	entries := m.billEntries(day, letter)
	if len(entries) == 0 {
		return nil
	}
	var out strings.Builder
	var header []string
	for _, c := range billColumns {
		if strings.Contains(c.types, letter) {
			header = append(header, c.name)
		}
	}
	out.WriteString(strings.Join(header, ",") + "\r\n")
	var total billTotal
	for _, e := range entries {
		writeBillRow(&out, m.billCells(e, letter))
		total.add(e)
	}
	out.WriteString("总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n")
	writeBillRow(&out, []string{
		fmt.Sprint(total.entries), yuan(total.settled), yuan(total.refunded), "0.00", fee(total.fee), yuan(total.ordered), yuan(total.refunded),
	})
	return []byte(out.String())
}

func (m *merchant) billEntries(day time.Time, letter string) []billEntry {
	end := day.AddDate(0, 0, 1)
	within := func(t time.Time) bool { return !t.Before(day) && t.Before(end) }
	var entries []billEntry
	for _, p := range m.payments {
		if letter != "r" && within(p.paidAt) {
			entries = append(entries, billEntry{at: p.paidAt, payment: p})
		}
		for _, r := range p.refunds {
			if letter != "s" && r.status == "SUCCESS" && within(r.succeededAt) {
				entries = append(entries, billEntry{at: r.succeededAt, payment: p, refund: r})
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b billEntry) int { return a.at.Compare(b.at) })
	return entries
}

type billTotal struct {
	entries                int
	settled, refunded, fee int64
	ordered                int64
}

func (t *billTotal) add(e billEntry) {
	t.entries++
	if e.refund != nil {
		t.refunded += e.refund.amount
		t.fee -= commission(e.refund.amount)
		return
	}
	t.settled += e.payment.amount
	t.ordered += e.payment.amount
	t.fee += commission(e.payment.amount)
}

// commission is the 0.60 % that WeChat Pay keeps, rounded to the fen.
func commission(fen int64) int64 { return (fen*6 + 500) / 1000 }

// fee writes fen as yuan with the five decimals of that column.
func fee(fen int64) string { return yuan(fen) + "000" }

func (m *merchant) billCells(e billEntry, letter string) []string {
	p, r := e.payment, e.refund
	cell := map[string]string{
		"交易时间": e.at.In(beijing).Format(billTimeFormat), "公众账号ID": p.appID, "商户号": m.MchID, "特约商户号": "0",
		"微信订单号": p.transactionID, "商户订单号": p.outTradeNo, "用户标识": p.openid, "交易类型": "JSAPI",
		"交易状态": "SUCCESS", "付款银行": "OTHERS", "货币种类": p.currency, "应结订单金额": yuan(p.amount), "代金券金额": "0.00",
		"微信退款单号": "0", "商户退款单号": "0", "退款金额": "0.00", "充值券退款金额": "0.00",
		"商品名称": p.description, "商户数据包": p.attach, "手续费": fee(commission(p.amount)), "费率": "0.60%",
		"订单金额": yuan(p.amount), "申请退款金额": "0.00",
	}
	if r != nil {
		for name, value := range map[string]string{
			"交易状态": "REFUND", "应结订单金额": "0.00", "订单金额": "0.00", "退款金额": yuan(r.amount), "申请退款金额": yuan(r.amount),
			"微信退款单号": r.refundID, "商户退款单号": r.outRefundNo, "退款类型": "ORIGINAL", "退款状态": r.status,
			"手续费": fee(-commission(r.amount)), "退款申请时间": r.createdAt.In(beijing).Format(billTimeFormat),
			"退款成功时间": r.succeededAt.In(beijing).Format(billTimeFormat),
		} {
			cell[name] = value
		}
	}
	var cells []string
	for _, c := range billColumns {
		if strings.Contains(c.types, letter) {
			cells = append(cells, cell[c.name])
		}
	}
	return cells
}

// writeBillRow puts a backtick before every cell, so that spreadsheets leave long numbers alone.
func writeBillRow(out *strings.Builder, cells []string) {
	for i, cell := range cells {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("`" + strings.NewReplacer("\r", " ", "\n", " ").Replace(cell))
	}
	out.WriteString("\r\n")
}

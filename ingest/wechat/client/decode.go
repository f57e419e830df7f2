package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decode reads WeChat's JSON whatever its header says.
func decode(data []byte, out any) error {
	return json.Unmarshal(Tidy(data), out)
}

// Tidy makes JSON of what WeChat sends as JSON: it drops a byte order mark and raw
// control characters inside strings, replaces invalid UTF-8 by U+FFFD, and trims
// white space around keys (documented samples have " OpenID" and "\nopenid").
// What is sound JSON keeps its meaning. Some samples are in easywechat#1625,
// co-wechat-api#63 and weixin_authorize#52.
func Tidy(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd"))
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		if data[i] != '"' {
			out = append(out, data[i])
			i++
			continue
		}
		text, next, closed := quoted(data, i)
		if isKey(data[next:]) {
			text = trimKey(text)
		}
		out = append(out, '"')
		out = append(out, text...)
		if closed {
			out = append(out, '"')
		}
		i = next
	}
	return out
}

// quoted returns the inside of the string that begins at data[i], without raw
// control characters, and the index after its closing quote, if it has one.
func quoted(data []byte, i int) (text []byte, next int, closed bool) {
	start := i + 1
	for i = start; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return text, i + 1, true
		case c == '\\' && i+1 < len(data) && data[i+1] >= ' ':
			text = append(text, c, data[i+1])
			i++
		case c < ' ':
		default:
			text = append(text, c)
		}
	}
	return text, len(data), false
}

func isKey(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func trimKey(key []byte) []byte {
	for {
		trimmed := bytes.TrimSpace(key)
		for _, escaped := range []string{`\n`, `\r`, `\t`} {
			trimmed = bytes.TrimPrefix(trimmed, []byte(escaped))
			if !bytes.HasSuffix(trimmed, []byte(`\`+escaped)) {
				trimmed = bytes.TrimSuffix(trimmed, []byte(escaped))
			}
		}
		if len(trimmed) == len(key) {
			return key
		}
		key = trimmed
	}
}

// failure is the part of a reply that says whether it is one.
type failure struct {
	ErrCode number `json:"errcode"`
	ErrMsg  text   `json:"errmsg"`
}

func (f failure) failed() (int, string) { return int(f.ErrCode), string(f.ErrMsg) }

// number is an integer that may come as a string.
type number int64

// UnmarshalJSON takes 1, "1", 1.0, "", null.
func (n *number) UnmarshalJSON(data []byte) error {
	s := strings.TrimSpace(strings.Trim(string(data), `"`))
	if s == "" || s == "null" {
		*n = 0
		return nil
	}
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = number(v)
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v != float64(int64(v)) {
		return errors.New("is not a whole number")
	}
	*n = number(v)
	return nil
}

// text is a string that may come as a number, and whose nothing may be null or false.
type text string

// UnmarshalJSON takes "a", 1, null, false.
func (t *text) UnmarshalJSON(data []byte) error {
	switch s := string(data); {
	case s == "null" || s == "false":
		*t = ""
	case strings.HasPrefix(s, `"`):
		var plain string
		if err := json.Unmarshal(data, &plain); err != nil {
			return err
		}
		*t = text(plain)
	case strings.HasPrefix(s, "{"), strings.HasPrefix(s, "["):
		return errors.New("is not a text")
	default:
		*t = text(s)
	}
	return nil
}

package push

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unionlink/unionlink/ingest/wechat/client"
)

// message is a push's fields, by the names that WeChat gives them. Nested fields
// (menus, articles) are left out: no event that counts here has them.
type message map[string]string

// known are the events that are counted by name; others, which anybody who can sign
// may invent, are "other".
var known = map[string]bool{
	"subscribe": true, "unsubscribe": true, "SCAN": true, "user_info_modified": true,
	"user_authorization_revoke": true, "user_authorization_cancellation": true,
}

// name is the event's name for counters.
func (m message) name() string {
	switch {
	case m["MsgType"] != "event":
		return "message"
	case known[m["Event"]]:
		return m["Event"]
	}
	return "other"
}

// created is CreateTime, and fallback where that is absent or absurd.
func (m message) created(fallback time.Time) time.Time {
	seconds, err := strconv.ParseInt(m["CreateTime"], 10, 64)
	if err != nil || seconds < 1_000_000_000 || seconds > 100_000_000_000 {
		return fallback
	}
	return time.Unix(seconds, 0)
}

const maxDepth = 16

// parse reads a pushed message: XML, or JSON where the console says so.
func parse(body []byte) (message, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) > 0 && body[0] == '{' {
		return parseJSON(body)
	}
	return parseXML(body)
}

func parseXML(body []byte) (message, error) {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\ufffd"))
	}
	body = bytes.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' {
			return -1 // not allowed in XML, found in nicknames and texts
		}
		return r
	}, body)
	m := message{}
	dec := xml.NewDecoder(bytes.NewReader(body))
	var name string
	var text strings.Builder
	for depth := 0; ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the message's XML: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return nil, errors.New("the message's XML is nested too deeply")
			}
			if depth == 2 {
				name = token.Name.Local
				text.Reset()
			}
		case xml.EndElement:
			if depth == 2 {
				m[name] = strings.TrimSpace(text.String())
			}
			depth--
		case xml.CharData:
			if depth == 2 {
				text.Write(token)
			}
		}
	}
	if len(m) == 0 {
		return nil, errors.New("the message has no fields")
	}
	return m, nil
}

func parseJSON(body []byte) (message, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(client.Tidy(body), &fields); err != nil {
		return nil, fmt.Errorf("read the message's JSON: %w", err)
	}
	m := make(message, len(fields))
	for name, raw := range fields {
		var text string
		switch {
		case json.Unmarshal(raw, &text) == nil:
			m[name] = strings.TrimSpace(text)
		case len(raw) > 0 && raw[0] != '{' && raw[0] != '[':
			m[name] = string(raw)
		}
	}
	if len(m) == 0 {
		return nil, errors.New("the message has no fields")
	}
	return m, nil
}

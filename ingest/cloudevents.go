package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/unionlink/unionlink/schemas"
)

// RejectedCloudEvent is the type of rejection of an event whose CloudEvents envelope is wrong.
const RejectedCloudEvent = "invalid-cloudevent"

// cloudEvent is the JSON format of CloudEvents 1.0, section 3. Other attributes and
// extensions are kept out.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        string          `json:"time"`
	Data        json.RawMessage `json:"data"`
	DataBase64  *string         `json:"data_base64"`
}

func refuseCloudEvent(field, format string, args ...any) error {
	return &schemas.Refusal{Type: RejectedCloudEvent, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// unwrapCloudEvent returns the event inside a CloudEvent. Its id and time stand in for
// an absent event_id and occurred_at, and must not contradict present ones.
func unwrapCloudEvent(kind schemas.Kind, raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, &schemas.Refusal{Type: schemas.RefusedUTF8, Detail: "the event is not valid UTF-8"}
	}
	var ce cloudEvent
	if err := json.Unmarshal(raw, &ce); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, refuseCloudEvent(wrong.Field, "is a JSON %s; a text is wanted", wrong.Value)
		}
		return nil, &schemas.Refusal{Type: schemas.RefusedJSON, Detail: "is not JSON"}
	}
	switch {
	case ce.SpecVersion != "1.0":
		return nil, refuseCloudEvent("specversion", "is not 1.0")
	case ce.ID == "":
		return nil, refuseCloudEvent("id", "is required")
	case ce.Source == "":
		return nil, refuseCloudEvent("source", "is required")
	case ce.Type != kind.Type():
		return nil, refuseCloudEvent("type", "is not %s, which this route takes", kind.Type())
	}
	data, err := ce.data()
	if err != nil {
		return nil, err
	}
	return ce.fill(data)
}

func (ce *cloudEvent) data() ([]byte, error) {
	if ce.DataBase64 != nil {
		data, err := base64.StdEncoding.DecodeString(*ce.DataBase64)
		if err != nil {
			return nil, refuseCloudEvent("data_base64", "is not base64")
		}
		if tooDeep(data) {
			return nil, refuseCloudEvent("data_base64", "is nested too deeply")
		}
		return data, nil
	}
	if data := bytes.TrimSpace(ce.Data); len(data) > 0 && data[0] == '{' {
		return data, nil
	}
	return nil, refuseCloudEvent("data", "is required, and is a JSON object")
}

// fill puts id and time into the event where it has none of its own.
func (ce *cloudEvent) fill(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, &schemas.Refusal{Type: schemas.RefusedUTF8, Detail: "the event is not valid UTF-8"}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, &schemas.Refusal{Type: schemas.RefusedJSON, Field: "data", Detail: "is not a JSON object"}
	}
	if fields == nil { // the data is null
		return nil, refuseCloudEvent("data", "is required, and is a JSON object")
	}
	idAbsent, timeAbsent := isAbsent(fields["event_id"]), isAbsent(fields["occurred_at"])
	if !idAbsent {
		var own string
		if json.Unmarshal(fields["event_id"], &own) == nil && own != ce.ID {
			return nil, refuseCloudEvent("id", "differs from the event_id inside")
		}
	}
	if !idAbsent && (!timeAbsent || ce.Time == "") {
		return data, nil
	}
	if idAbsent {
		fields["event_id"] = quote(ce.ID)
	}
	if timeAbsent && ce.Time != "" {
		fields["occurred_at"] = quote(ce.Time)
	}
	filled, err := json.Marshal(fields)
	if err != nil {
		return nil, refuseCloudEvent("data", "cannot be read: %s", err)
	}
	return filled, nil
}

func isAbsent(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == `""`
}

func quote(s string) json.RawMessage {
	quoted, _ := json.Marshal(s) // a string can always be encoded
	return quoted
}

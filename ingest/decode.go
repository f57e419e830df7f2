package ingest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/unionlink/unionlink/schemas"
)

// maxDepth bounds the nesting of one event's JSON. The contract's own depth is 3.
const maxDepth = 32

// visit is called with each event's JSON, valid until it returns, or with the reason
// why there is none. An error ends the reading.
type visit func(raw []byte, refusal *schemas.Refusal) error

// errNotJSON is a body in which nothing can be found any more.
func errNotJSON(detail string) *Problem {
	return newProblem(http.StatusBadRequest, ProblemJSON, "%s", detail)
}

func errEmpty() *Problem {
	return newProblem(http.StatusBadRequest, ProblemEmpty, "the body is empty")
}

// readJSON visits one JSON object or the elements of an array. A fault in the syntax
// ends it: where the next event begins cannot be known.
func readJSON(r *bufio.Reader, v visit) error {
	skipBOM(r)
	first, err := skipSpace(r)
	if errors.Is(err, io.EOF) {
		return errEmpty()
	}
	if err != nil {
		return err
	}
	dec := json.NewDecoder(r)
	switch first {
	case '{':
		if err := readElement(dec, v); err != nil {
			return err
		}
	case '[':
		if err := readArray(dec, v); err != nil {
			return err
		}
	default:
		return errNotJSON("the body is neither a JSON object nor an array of objects")
	}
	if _, err := dec.Token(); err == nil {
		return errNotJSON("the body goes on after its JSON value; for one object a line send application/x-ndjson")
	} else if !errors.Is(err, io.EOF) {
		return syntax(err)
	}
	return nil
}

func readArray(dec *json.Decoder, v visit) error {
	if _, err := dec.Token(); err != nil {
		return syntax(err)
	}
	for dec.More() {
		if err := readElement(dec, v); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return syntax(err)
}

func readElement(dec *json.Decoder, v visit) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return syntax(err)
	}
	return v(raw, nil)
}

// syntax turns a decoder's own faults into a problem and passes on the reader's.
func syntax(err error) error {
	var wrong *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return errNotJSON("the body is not JSON: " + wrong.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errNotJSON("the JSON ends too early")
	}
	return err
}

// readLines visits the lines of NDJSON that are not blank. A broken line is refused
// alone, as is one that is too long.
func readLines(r *bufio.Reader, v visit) error {
	skipBOM(r)
	var line []byte
	seen := false
	for {
		var long bool
		var err error
		line, long, err = readLine(r, line[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if long || len(bytes.TrimSpace(line)) > 0 {
			seen = true
			if verr := visitLine(line, long, v); verr != nil {
				return verr
			}
		}
		if err != nil { // the end
			if !seen {
				return errEmpty()
			}
			return nil
		}
	}
}

func visitLine(line []byte, long bool, v visit) error {
	if long {
		return v(nil, &schemas.Refusal{Type: schemas.RefusedTooLarge, Detail: "the line is longer than an event may be"})
	}
	return v(line, nil)
}

// readLine appends the next line to buf. A line over MaxEventBytes is skipped, and
// long is true.
func readLine(r *bufio.Reader, buf []byte) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !long && len(buf)+len(part) <= schemas.MaxEventBytes+1 {
			buf = append(buf, part...)
		} else {
			long, buf = true, buf[:0]
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, long, err
		}
	}
}

func skipBOM(r *bufio.Reader) {
	if mark, err := r.Peek(3); err == nil && string(mark) == "\uFEFF" {
		_, _ = r.Discard(3) // peeked
	}
}

// skipSpace returns the first byte that is no white space, and leaves it unread.
func skipSpace(r *bufio.Reader) (byte, error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, r.UnreadByte()
		}
	}
}

// decodeEvent reads one event's JSON as a kind, strictly. The error is a *schemas.Refusal.
func decodeEvent(kind schemas.Kind, f format, raw []byte) (schemas.Event, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		if !json.Valid(raw) {
			return nil, &schemas.Refusal{Type: schemas.RefusedJSON, Detail: "is not JSON"}
		}
		return nil, &schemas.Refusal{Type: schemas.RefusedFieldType, Detail: "an event is a JSON object"}
	}
	if tooDeep(raw) {
		return nil, &schemas.Refusal{Type: schemas.RefusedJSON, Detail: "is nested too deeply"}
	}
	if f == formatCloudEvents {
		data, err := unwrapCloudEvent(kind, raw)
		if err != nil {
			return nil, err
		}
		raw = data
	}
	return schemas.Decode(kind, raw)
}

// tooDeep counts brackets outside of strings.
func tooDeep(raw []byte) bool {
	depth, inString, escaped := 0, false, false
	for _, c := range raw {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

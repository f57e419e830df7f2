package bulk

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/unionlink/unionlink/schemas"
)

// line is one event as it is sent: JSON without a line break.
type line struct {
	no   int64 // in the file, from 1
	text []byte
	// fault says that the line is rejected here, where it cannot be sent at all.
	fault *schemas.Refusal
}

// chunk is the lines of one request.
type chunk struct {
	kind  schemas.Kind
	file  string
	lines []line
	bytes int64 // of the file, packed as it is
}

// lineReader reads a file's events; io.EOF is its end.
type lineReader interface{ next() (line, error) }

// source is an open file.
type source struct {
	kind   schemas.Kind
	name   string
	size   int64 // 0: not known
	read   *counter
	lines  lineReader
	closes []io.Closer
}

// counter counts what is read of the file, packed as it is.
type counter struct {
	io.Reader
	n int64
}

// Read counts.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// openAll opens every file before anything is sent, so that a wrong name or header is
// told at once.
func openAll(cfg Config) ([]*source, error) {
	var all []*source
	var faults []error
	for _, f := range cfg.Files {
		s, err := open(f, cfg.Stdin)
		if err != nil {
			faults = append(faults, fmt.Errorf("open %s: %w", f.Path, err))
			continue
		}
		all = append(all, s)
	}
	if len(faults) > 0 {
		for _, s := range all {
			faults = append(faults, s.close())
		}
		return nil, errors.Join(faults...)
	}
	return all, nil
}

func open(f File, stdin io.Reader) (*source, error) {
	s := &source{kind: f.Kind, name: f.Path}
	raw := stdin
	if f.Path != "-" {
		file, err := os.Open(f.Path)
		if err != nil {
			return nil, err
		}
		s.closes = append(s.closes, file)
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			s.size = info.Size()
		}
		raw = file
	}
	s.read = &counter{Reader: raw}
	if err := s.detect(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

var (
	gzipMagic     = []byte{0x1f, 0x8b}
	byteOrderMark = []byte("\xef\xbb\xbf")
)

// detect looks at the first bytes: gzip by its magic number, NDJSON by its first brace,
// else CSV by its header.
func (s *source) detect() error {
	in := bufio.NewReaderSize(s.read, 64<<10)
	if head, _ := in.Peek(2); bytes.Equal(head, gzipMagic) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		s.closes = append(s.closes, unpacked)
		in = bufio.NewReaderSize(unpacked, 64<<10)
	}
	if head, _ := in.Peek(len(byteOrderMark)); bytes.Equal(head, byteOrderMark) {
		_, _ = in.Discard(len(byteOrderMark)) // they were peeked at
	}
	csv := strings.HasSuffix(strings.TrimSuffix(s.name, ".gz"), ".csv")
	if !csv {
		first, err := firstByte(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		csv = first != 0 && first != '{'
	}
	if !csv {
		s.lines = &jsonLines{in: in}
		return nil
	}
	var err error
	s.lines, err = newCSVLines(in, s.kind)
	return err
}

// firstByte is the first one that is not white space, left where it is; 0 where there is none.
func firstByte(in *bufio.Reader) (byte, error) {
	for n := 1; n <= 4096; n++ {
		head, err := in.Peek(n)
		if len(head) < n {
			return 0, err
		}
		if c := head[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, nil
		}
	}
	return 0, nil
}

func (s *source) close() error {
	var errs []error
	for i := len(s.closes) - 1; i >= 0; i-- {
		errs = append(errs, s.closes[i].Close())
	}
	return errors.Join(errs...)
}

// chunks cuts the file into requests.
func (s *source) chunks(ctx context.Context, cfg Config, out chan<- chunk) error {
	at := int64(0)
	for {
		c := chunk{kind: s.kind, file: s.name}
		size := 0
		var err error
		for len(c.lines) < cfg.ChunkEvents && size < cfg.ChunkBytes && err == nil {
			var l line
			if l, err = s.lines.next(); err == nil {
				c.lines = append(c.lines, l)
				size += len(l.text) + 1
			}
		}
		c.bytes, at = s.read.n-at, s.read.n
		if len(c.lines) > 0 {
			select {
			case out <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// jsonLines reads NDJSON.
type jsonLines struct {
	in *bufio.Reader
	no int64
}

// shownBytes is how much of a line that is too long is kept, to be shown.
const shownBytes = 200

// next skips blank lines; a line over the limit is read past and comes with a fault.
func (j *jsonLines) next() (line, error) {
	for {
		j.no++
		text, whole, err := j.readLine()
		trimmed := bytes.TrimSpace(text)
		switch {
		case len(trimmed) > 0 && !whole:
			return line{no: j.no, text: trimmed, fault: &schemas.Refusal{
				Type: schemas.RefusedTooLarge, Detail: fmt.Sprintf("the line is over %d bytes long", schemas.MaxEventBytes),
			}}, nil
		case len(trimmed) > 0:
			return line{no: j.no, text: trimmed}, nil
		case err != nil:
			return line{}, err
		}
	}
}

// readLine returns one line, cut to shownBytes where it is over the limit.
func (j *jsonLines) readLine() (text []byte, whole bool, err error) {
	total := 0
	for {
		part, err := j.in.ReadSlice('\n')
		total += len(part)
		if total <= schemas.MaxEventBytes {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if total > schemas.MaxEventBytes {
			return text[:min(len(text), shownBytes)], false, err
		}
		return text, true, err
	}
}

package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/unionlink/unionlink/schemas"
)

// The files of a data set.
const (
	LoginsFile    = "logins.ndjson"
	PurchasesFile = "purchases.ndjson"
)

// WriteFiles writes a data set into a folder, and tells how many events are in each file.
func WriteFiles(dir string, cfg Config) (logins, purchases int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, fmt.Errorf("create the data set's folder: %w", err)
	}
	l, err := createLines(filepath.Join(dir, LoginsFile))
	if err != nil {
		return 0, 0, err
	}
	p, err := createLines(filepath.Join(dir, PurchasesFile))
	if err != nil {
		return 0, 0, errors.Join(err, l.abandon())
	}
	if err := Generate(cfg, l.write, p.write); err != nil {
		return 0, 0, errors.Join(err, l.abandon(), p.abandon())
	}
	return l.n, p.n, errors.Join(l.finish(), p.finish())
}

// ensureFiles writes the data set unless it is there: a demo that is started again loads
// the same events again, which changes nothing, instead of those of another day.
func ensureFiles(dir string, cfg Config) error {
	for _, name := range []string{LoginsFile, PurchasesFile} {
		_, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			_, _, err = WriteFiles(dir, cfg)
			return err
		}
		if err != nil {
			return fmt.Errorf("look for the data set: %w", err)
		}
	}
	return nil
}

// lines is a file of NDJSON that gets its name once it is whole.
type lines struct {
	path string
	file *os.File
	out  *bufio.Writer
	n    int
}

func createLines(path string) (*lines, error) {
	file, err := os.Create(path + ".part")
	if err != nil {
		return nil, fmt.Errorf("create the data set: %w", err)
	}
	return &lines{path: path, file: file, out: bufio.NewWriter(file)}, nil
}

func (l *lines) write(e schemas.Event) error {
	text, err := schemas.Encode(e)
	if err != nil {
		return fmt.Errorf("write an event of the data set: %w", err)
	}
	l.n++
	if _, err := l.out.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write the data set: %w", err)
	}
	return nil
}

func (l *lines) finish() error {
	if err := errors.Join(l.out.Flush(), l.file.Close()); err != nil {
		return fmt.Errorf("write the data set: %w", err)
	}
	return os.Rename(l.file.Name(), l.path)
}

func (l *lines) abandon() error { return errors.Join(l.file.Close(), os.Remove(l.file.Name())) }

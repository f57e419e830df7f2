package embedded

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// showProgress tells out every now and then how much of size has arrived below dir, until the returned function is
// called: on a terminal by one line that changes, elsewhere by a line for every tenth.
func showProgress(dir string, size int64, out io.Writer) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	line := progressLine{out: out, size: size, terminal: isTerminal(out)}
	fmt.Fprintf(out, "clickhouse engine: fetching %s with npm, about 178 MB to download and %d MB on disk, once\n", EngineVersion, size/1e6)
	go func() { // ends when stop is called
		defer close(done)
		for {
			select {
			case <-quit:
				line.end()
				return
			case <-time.After(300 * time.Millisecond):
			}
			if bytes, err := folderBytes(dir); err == nil { // npm moves files about; the next look will do
				line.show(bytes)
			}
		}
	}()
	return func() { close(quit); <-done }
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// progressLine writes the state of one installation.
type progressLine struct {
	out      io.Writer
	size     int64
	terminal bool
	tenths   int64 // last tenth told
	shown    bool  // a terminal's line has begun
}

func (l *progressLine) show(bytes int64) {
	percent := min(100*bytes/l.size, 100)
	text := fmt.Sprintf("clickhouse engine: %3d %%  %d of %d MB", percent, bytes/1e6, l.size/1e6)
	switch {
	case l.terminal:
		fmt.Fprintf(l.out, "\r%s", text)
		l.shown = true
	case percent/10 > l.tenths:
		fmt.Fprintln(l.out, text)
		l.tenths = percent / 10
	}
}

func (l *progressLine) end() {
	if l.shown {
		fmt.Fprintln(l.out)
	}
}

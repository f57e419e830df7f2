package bench

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// meter shows how far long work is: a bar on a terminal, else a line now and then.
type meter struct {
	out   io.Writer
	title string
	total int
	bar   *progressbar.ProgressBar // nil: lines

	mu   sync.Mutex
	done int
	told time.Time
}

// tellEvery is how often a line is written where there is no terminal.
const tellEvery = 5 * time.Second

func (s *session) meter(title string, total int) *meter {
	m := &meter{out: s.progress, title: title, total: total, told: time.Now()}
	if file, ok := s.progress.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		m.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(file), progressbar.OptionSetDescription(title),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return m
}

// add moves on by n. Progress that cannot be shown is no reason to end a measurement.
func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(m.done + n)
}

// to moves on to done.
func (m *meter) to(done int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(done)
}

func (m *meter) set(done int) {
	m.done = min(done, m.total)
	if m.bar != nil {
		_ = m.bar.Set(m.done)
		return
	}
	if time.Since(m.told) >= tellEvery {
		m.told = time.Now()
		fmt.Fprintf(m.out, "%s: %s of %s\n", m.title, thousands(int64(m.done)), thousands(int64(m.total)))
	}
}

func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
}

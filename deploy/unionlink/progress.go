package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/unionlink/unionlink/deploy/app/bulk"
)

// lineEvery is how often a progress line is printed where there is no terminal.
const lineEvery = 5 * time.Second

// progress shows how far an import is: a bar on a terminal, plain lines elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	bar      *progressbar.ProgressBar
	told     time.Duration
}

func newProgress(out io.Writer) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd()))}
}

func (p *progress) show(s bulk.Progress) {
	rate := float64(s.Total()) / max(s.Elapsed.Seconds(), 0.001)
	if p.terminal {
		p.draw(s, rate)
		return
	}
	if s.Elapsed-p.told < lineEvery && !s.Done {
		return
	}
	p.told = s.Elapsed
	text := fmt.Sprintf("import: %d events, %.0f events/s", s.Total(), rate)
	if s.TotalBytes > 0 && s.Bytes > 0 && !s.Done {
		left := time.Duration(float64(s.Elapsed) * float64(s.TotalBytes-s.Bytes) / float64(s.Bytes))
		text += fmt.Sprintf(", %d %%, %s left", 100*s.Bytes/s.TotalBytes, left.Round(time.Second))
	}
	fmt.Fprintln(p.out, text)
}

func (p *progress) draw(s bulk.Progress, rate float64) {
	if p.bar == nil {
		total := s.TotalBytes
		if total == 0 {
			total = -1 // not known: a spinner
		}
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(30),
			progressbar.OptionSetPredictTime(true), progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish())
	}
	p.bar.Describe(fmt.Sprintf("%d events, %.0f/s", s.Total(), rate))
	_ = p.bar.Set64(s.Bytes) // a terminal that is gone stops no import
	if s.Done {
		_ = p.bar.Finish()
		fmt.Fprintf(p.out, "import: %d events, %.0f events/s\n", s.Total(), rate)
	}
}

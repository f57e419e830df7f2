package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is what a run's figures depend on.
type Machine struct {
	OS, Arch string
	Cores    int
	// Load is the load average of the last minute before the run, -1 where the system does not tell.
	Load float64
	// Memory is the machine's, in bytes, 0 where the system does not tell.
	Memory int64
	// Fsyncs is how often a second 4 KiB can be appended to one file and be on disk.
	Fsyncs float64
}

// String is one line.
func (m Machine) String() string {
	parts := []string{fmt.Sprintf("%d cores (%s/%s)", m.Cores, m.OS, m.Arch)}
	if m.Load >= 0 {
		parts = append(parts, fmt.Sprintf("load average %.2f before the run", m.Load))
	}
	if m.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.1f GiB of memory", float64(m.Memory)/(1<<30)))
	}
	return strings.Join(append(parts, shown(m.Fsyncs)+" fsyncs/s of 4 KiB"), ", ")
}

// survey looks at the machine, and at the disk of dir for at most a second.
func survey(dir string) (Machine, error) {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Load: loadAverage(), Memory: memory()}
	var err error
	m.Fsyncs, err = fsyncs(filepath.Join(dir, "fsync"), 400, time.Second)
	return m, err
}

// fsyncs appends and syncs up to n times or until limit is over.
func fsyncs(path string, n int, limit time.Duration) (perSecond float64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("measure fsync: %w", err)
	}
	defer os.Remove(path) // the run's folder goes with everything in it anyway
	defer file.Close()
	block := make([]byte, 4096)
	began, done := time.Now(), 0
	for done < n && time.Since(began) < limit {
		if _, err := file.Write(block); err != nil {
			return 0, fmt.Errorf("measure fsync: %w", err)
		}
		if err := file.Sync(); err != nil {
			return 0, fmt.Errorf("measure fsync: %w", err)
		}
		done++
	}
	return rate(done, time.Since(began)), nil
}

// loadAverage is Linux's; -1 elsewhere.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return load
}

// memory is Linux's; 0 elsewhere.
func memory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

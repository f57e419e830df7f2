package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
)

// childEnv, in the environment of a process, makes it the ClickHouse child; its value is the path of the engine's library.
const childEnv = "UNIONLINK_CHDB_CHILD"

// childGrace is how long a child whose parent is gone may take to close its tables.
const childGrace = 10 * time.Second

// RunChildIfAsked turns this process into the ClickHouse server if it was started to be that, and then never returns.
// Otherwise it returns at once. Call it first thing in main, before flags are read or anything is opened.
func RunChildIfAsked() {
	library := os.Getenv(childEnv)
	if library == "" {
		return
	}
	runtime.LockOSThread() // the engine expects the process's main thread, which has the large stack
	handleSignals()
	if err := runEngine(library, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// handleSignals leaves stopping to the parent, which closes standard input: whoever signals the whole group of processes
// does not mean the server, which must outlast those who still write to it. Only when the parent is gone, and with it
// standard input, SIGTERM (from the kernel, see childAttributes) bounds the time that is left.
func handleSignals() {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	parent := os.Getppid()
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	go func() { // ends with the process
		for os.Getppid() == parent {
			<-terminate
		}
		time.Sleep(childGrace)
		os.Exit(int(128 + syscall.SIGTERM))
	}()
}

// runEngine runs `clickhouse local` inside this process, until it has run all its queries.
func runEngine(library string, args []string) error {
	lib, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load clickhouse engine: %w", err)
	}
	var (
		setSignalHandlers func(enabled int32)
		queryCmdline      func(argc int32, argv unsafe.Pointer) unsafe.Pointer
		resultError       func(result unsafe.Pointer) string
	)
	purego.RegisterLibFunc(&setSignalHandlers, lib, "chdb_set_signal_handlers_enabled")
	purego.RegisterLibFunc(&queryCmdline, lib, "chdb_query_cmdline")
	purego.RegisterLibFunc(&resultError, lib, "chdb_result_error")

	argv := make([]*byte, 0, len(args)+1)
	for _, arg := range args {
		text, err := syscall.BytePtrFromString(arg)
		if err != nil {
			return fmt.Errorf("run clickhouse engine: argument %q: %w", arg, err)
		}
		argv = append(argv, text)
	}
	argv = append(argv, nil)
	setSignalHandlers(0) // signals belong to the Go runtime
	result := queryCmdline(int32(len(args)), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if result == nil {
		return errors.New("run clickhouse engine: it returned nothing")
	}
	if text := resultError(result); text != "" {
		text, _, _ = strings.Cut(text, ", Stack trace (")
		return fmt.Errorf("run clickhouse engine: %s", text)
	}
	return nil
}

// Command unionlink links one person's accounts across several WeChat apps: it is every
// part of the system, and the tools for running it, in one binary. See `unionlink --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/unionlink/unionlink/deploy/embedded"
)

func main() {
	embedded.RunChildIfAsked()
	os.Exit(run(os.Args[1:]))
}

// exitError ends the program with a status of its own; its text has been told already.
type exitError struct{ status int }

// Error names the status.
func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

func run(args []string) int {
	ctx, stop := untilSignal()
	defer stop()
	root := newRoot(&terminal{out: os.Stdout, err: os.Stderr, in: os.Stdin, lookup: os.LookupEnv})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.status
	}
	fmt.Fprintln(os.Stderr, "unionlink:", err)
	return 1
}

// sameSignal is the time within which further signals are the first one once more: many
// senders signal a process and then its group, which are both us.
const sameSignal = time.Second

// untilSignal is a context that ends at the first SIGINT or SIGTERM. A second one, later,
// ends the process at once, which loses nothing that was answered.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	// Ends with the process.
	go func() {
		<-signals
		first := time.Now()
		cancel()
		s := <-signals
		for time.Since(first) < sameSignal {
			s = <-signals
		}
		fmt.Fprintln(os.Stderr, "unionlink: stopped at once by the second signal; what was answered is on disk")
		code := 130
		if s == syscall.SIGTERM {
			code = 143
		}
		os.Exit(code)
	}()
	return ctx, cancel
}

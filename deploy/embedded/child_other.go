//go:build !linux

package embedded

import "syscall"

// childAttributes puts the child into a process group of its own, so that Ctrl-C in a terminal reaches the parent alone.
// A dying parent is noticed by standard input, which closes.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

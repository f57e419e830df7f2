package embedded

import "syscall"

// childAttributes puts the child into a process group of its own, so that Ctrl-C in a terminal reaches the parent alone,
// and has the kernel tell it when the parent dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

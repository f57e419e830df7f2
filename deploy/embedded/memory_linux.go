package embedded

import "syscall"

// machineMemory returns the bytes of memory the machine has, 0 when it will not say.
func machineMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

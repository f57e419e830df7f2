//go:build !linux

package embedded

// machineMemory returns the bytes of memory the machine has, 0 when it will not say.
func machineMemory() int64 {
	return 0
}

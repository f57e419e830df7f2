//go:build !linux

package chaos

// machineStages are those that mount file systems, which is done on Linux only.
func machineStages() []stage { return nil }

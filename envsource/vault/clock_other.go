//go:build !linux

package vault

// SystemClock is the clock of this machine.
func SystemClock() Clock { return newWallClock() }

package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestLimit(t *testing.T) {
	for used, want := range map[int64]int64{0: least, least - slack: least, least: least + slack, 1 << 30: 1<<30 + slack} {
		if got := limit(used); got != want {
			t.Errorf("of %d: %d, want %d", used, got, want)
		}
	}
}

var (
	keep    [][]byte
	garbage []byte
)

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}

// Garbage is collected, and a process that has come to need more is not busy collecting.
func TestRest(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	Rest()
	if n := runtime.GOMAXPROCS(0); n != 2 {
		t.Errorf("it runs on %d processors", n)
	}
	churn := func(megabytes int) {
		for range 16 * megabytes {
			garbage = make([]byte, 64<<10)
		}
	}
	before := collections()
	churn(400)
	if n := collections() - before; n < 10 || n > 400 {
		t.Errorf("400 MiB of garbage are collected %d times", n)
	}
	for range 600 { // 37 MiB that stay
		keep = append(keep, make([]byte, 64<<10))
	}
	runtime.GC()
	before = collections()
	churn(400)
	if n := collections() - before; n > 400 {
		t.Errorf("with more in use 400 MiB of garbage are collected %d times", n)
	}
	keep, garbage = nil, nil
}

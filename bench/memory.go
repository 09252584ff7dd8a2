package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"time"
)

// startSleep starts vwrap around a command that sleeps, in dir.
func (b *bench) startSleep(dir string) (*process, error) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		return nil, fmt.Errorf("find sleep: %w", err)
	}
	return start(command{argv: b.wrapped(injecting, sleep, "3600"), environ: b.environ(), dir: dir})
}

// awaitSleep returns the wrapped command's PID once it runs with the given variable.
func awaitSleep(ctx context.Context, wrapped *process, variable string) (pid int, err error) {
	err = await(ctx, 30*time.Second, "the wrapped command", func() error {
		if wrapped.ended() {
			return wrapped.failure()
		}
		var err error
		pid, err = sleeper(wrapped.pid(), variable)
		return err
	})
	return pid, err
}

// peak starts vwrap several times and looks how much memory its processes take until the command runs. The kernel
// keeps a mark of the most for each; the courier's own goes with its execve, so it is looked at as fast as can be.
// (What wait4 says of a process begins with the memory of the one that forked it, which is this one.)
func (b *bench) peak(ctx context.Context, f *figures) error {
	for range min(f.runs, 20) {
		if err := ctx.Err(); err != nil {
			return err
		}
		supervisor, courier, err := b.peakOnce()
		if err != nil {
			return err
		}
		f.peakSupervisor = max(f.peakSupervisor, supervisor)
		f.peakCourier = max(f.peakCourier, courier)
	}
	return nil
}

func (b *bench) peakOnce() (supervisor, courier int64, err error) {
	wrapped, err := b.startSleep(b.dir)
	if err != nil {
		return 0, 0, err
	}
	defer wrapped.stop()
	own, err := procFile(wrapped.pid(), "cmdline")
	if err != nil {
		return 0, 0, err
	}
	for began := time.Now(); time.Since(began) < 30*time.Second; {
		if wrapped.ended() {
			return 0, 0, wrapped.failure()
		}
		for _, child := range children(wrapped.pid()) {
			switch name, _ := procFile(child, "comm"); name {
			case "":
			case "sleep\n":
				supervisor, err = kilobytes(wrapped.pid(), "status", "VmHWM")
				return supervisor, courier, err
			default:
				courier = max(courier, courierPeak(child, own))
			}
		}
	}
	return 0, 0, errors.New("wait for the wrapped command: not within 30s")
}

// courierPeak is 0 where the process is not one yet: until its execve it has the memory of the one that forked it.
func courierPeak(pid int, forker string) int64 {
	if argv, err := procFile(pid, "cmdline"); err != nil || argv == "" || argv == forker {
		return 0
	}
	most, err := kilobytes(pid, "status", "VmHWM")
	if err != nil {
		return 0 // it is the command now, or has ended
	}
	return most
}

// settling is how long a supervisor may put itself in order before it is looked at.
const settling = 2 * time.Second

// rest looks at a supervisor whose command sleeps.
func (b *bench) rest(ctx context.Context, f *figures) error {
	wrapped, err := b.startSleep(b.dir)
	if err != nil {
		return err
	}
	defer wrapped.stop()
	if _, err := awaitSleep(ctx, wrapped, "A="); err != nil {
		return err
	}
	if err := sleep(ctx, settling); err != nil {
		return err
	}
	if f.restRSS, err = kilobytes(wrapped.pid(), "status", "VmRSS"); err != nil {
		return err
	}
	f.restPSS, err = kilobytes(wrapped.pid(), "smaps_rollup", "Pss")
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	before, err := switches(wrapped.pid())
	if err != nil {
		return err
	}
	if err := sleep(ctx, f.idle); err != nil {
		return err
	}
	after, err := switches(wrapped.pid())
	if err != nil {
		return err
	}
	f.wakeUps = float64(switched(before, after)) / f.idle.Seconds()
	return nil
}

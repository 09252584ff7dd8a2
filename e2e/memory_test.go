package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSupervisorHoldsNoValue looks for the values of secrets in all of the memory of the long-lived process, all the
// time while the command is started, runs, and is rotated three times. What it looks for it finds in the command's own memory.
func TestSupervisorHoldsNoValue(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"restart": nil, "a live channel that is read": {"--config", "live.yaml"}, "masked output": {"--mask", "always"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			supervisorHoldsNoValue(t, flags...)
		})
	}
}

func supervisorHoldsNoValue(t *testing.T, flags ...string) {
	own := newTestTenant(t)
	p, err := sharedPostgres()
	check(t, err)
	check(t, own.databaseRole(p, "app", "60s", "1h"))
	markers := []string{randomHex(16), randomHex(16), randomHex(16), randomHex(16)}
	check(t, own.put("dev/api", map[string]any{"key": markers[0]}))

	wrapped := startWrapped(t, own, flags...)
	scanner := watchMemory(wrapped.pid(), 8, markers...)
	for i, marker := range markers {
		if i > 0 {
			check(t, own.put("dev/api", map[string]any{"key": marker}))
		}
		shown := awaitShown(t, wrapped, marker)
		password := shown["DB_PASSWORD"]
		if password == "" {
			t.Fatal("the command got no database password")
		}
		child, err := strconv.Atoi(shown["pid"])
		check(t, err)
		if socket := shown["VWRAP_LIVE"]; socket != "" {
			for _, format := range []string{"json", "dotenv"} {
				if said := readLive(t, socket, format); !strings.Contains(said, marker) || !strings.Contains(said, password) {
					t.Errorf("generation %d: the live channel does not have the values", i+1)
				}
			}
		} else if slices.Contains(flags, "live.yaml") {
			t.Error("there is no live channel")
		}
		for _, value := range []string{marker, password} {
			if found := mustScan(t, child, value); found == 0 {
				t.Errorf("generation %d: the scanner does not find a value in the command itself, where it is", i+1)
			}
			if found := mustScan(t, wrapped.pid(), value); found > 0 {
				t.Errorf("generation %d: the supervisor holds %d copies of a value", i+1, found)
			}
		}
		scanner.add(password) // the keys it looks for already
	}
	if looks, found := scanner.stop(); found > 0 || looks < len(markers) {
		t.Errorf("the supervisor held %d copies of values in %d looks", found, looks)
	}
}

// TestScannerFindsEncodings plants a marker in each form that the scanner claims to know.
func TestScannerFindsEncodings(t *testing.T) {
	t.Parallel()
	marker := randomHex(16)
	for name, planted := range map[string]string{
		"raw":          marker,
		"hex":          hex.EncodeToString([]byte(marker)),
		"upper hex":    strings.ToUpper(hex.EncodeToString([]byte(marker))),
		"base64":       base64.StdEncoding.EncodeToString([]byte(marker)),
		"inner base64": base64.StdEncoding.EncodeToString([]byte(`{"key":"` + marker + `"}`)),
		"nothing":      "something else",
	} {
		cmd := exec.Command(filepath.Join(programs, "show-env"), "-hold")
		cmd.Env = nil
		cmd.Stdin = strings.NewReader(planted + "\n")
		ready, err := cmd.StdoutPipe()
		check(t, err)
		holder, err := startProcess(cmd, syscall.SIGKILL)
		check(t, err)
		_, err = bufio.NewReader(ready).ReadString('\n')
		check(t, err)
		found := mustScan(t, holder.pid(), marker)
		if want := name != "nothing"; (found > 0) != want {
			t.Errorf("%s: found %d times", name, found)
		}
		holder.stop(syscall.SIGTERM)
	}
}

func newTestTenant(t *testing.T) *tenant {
	t.Helper()
	v, err := sharedVault()
	check(t, err)
	own, err := newTenant(v)
	check(t, err)
	t.Cleanup(own.leave)
	return own
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startWrapped runs show-env under vwrap in a folder of its own, where it writes what it got to the file shown.
func startWrapped(t *testing.T, own *tenant, flags ...string) *process {
	t.Helper()
	dir := t.TempDir()
	config := "version: 1\nrotation: {poll: 1s, settle: 100ms}\n"
	check(t, os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte(config), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "live.yaml"), []byte(config+"live: true\n"), 0o600))
	log, err := os.Create(filepath.Join(dir, "stderr"))
	check(t, err)
	defer log.Close()
	cmd := exec.Command(filepath.Join(programs, "vwrap"), append(flags,
		"-e", "API_KEY=vault:"+own.kv+"/dev/api#key",
		"-e", "API_URL=https://${vault:"+own.kv+"/dev/api#key | base64}@localhost/",
		"-e", "DB_PASSWORD=vault:"+own.db+"/creds/app#password",
		"--", "show-env", "-out", "shown", "API_KEY", "DB_PASSWORD", "VWRAP_LIVE")...)
	cmd.Dir, cmd.Stderr = dir, log
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token,
	}
	wrapped, err := startProcess(cmd, syscall.SIGKILL)
	check(t, err)
	t.Cleanup(func() {
		wrapped.stop(syscall.SIGTERM)
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("vwrap said:\n%s", said)
		}
	})
	return wrapped
}

// awaitShown returns what the command got, once it got the key.
func awaitShown(t *testing.T, wrapped *process, key string) map[string]string {
	t.Helper()
	shown := map[string]string{}
	check(t, poll(time.Minute, 20*time.Millisecond, func() error {
		if !wrapped.running() {
			t.Fatalf("vwrap ended with %d", wrapped.status())
		}
		content, err := os.ReadFile(filepath.Join(wrapped.cmd.Dir, "shown"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			shown[name] = value
		}
		if shown["API_KEY"] != key {
			return errors.New("the command has another key")
		}
		return nil
	}))
	return shown
}

// memoryWatch scans one process over and over, for the newest of the values that it is told as it goes.
type memoryWatch struct {
	newest  int // how many values it looks for: each costs time
	values  chan string
	outcome chan [2]int
}

func watchMemory(pid, newest int, values ...string) *memoryWatch {
	w := &memoryWatch{newest: newest, values: make(chan string), outcome: make(chan [2]int, 1)}
	go w.run(pid, values)
	return w
}

// run ends when values is closed, after a last look.
func (w *memoryWatch) run(pid int, values []string) {
	looks, found := 0, 0
	look := func() {
		copies, err := scan(pid, values...)
		if err != nil {
			return // it has ended, or may not be read: the test's own looks say so
		}
		looks, found = looks+1, found+copies
	}
	pause := time.NewTimer(5 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case value, more := <-w.values:
			if !more {
				look()
				w.outcome <- [2]int{looks, found}
				return
			}
			values = append(values, value)
			values = values[max(0, len(values)-w.newest):]
		case <-pause.C:
			began := time.Now()
			look()
			pause.Reset(max(5*time.Millisecond, time.Since(began))) // others need the processors too
		}
	}
}

func (w *memoryWatch) add(value string) { w.values <- value }

func (w *memoryWatch) stop() (looks, found int) {
	close(w.values)
	outcome := <-w.outcome
	return outcome[0], outcome[1]
}

func mustScan(t *testing.T, pid int, value string) int {
	t.Helper()
	found, err := scan(pid, value)
	if errors.Is(err, os.ErrPermission) && os.Getuid() != 0 {
		t.Skip("the supervisor does not let its own user read its memory: only root can run this test")
	}
	check(t, err)
	return found
}

// scan counts the copies of values, and of their encodings, in all the memory that a process can read.
func scan(pid int, values ...string) (int, error) {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, fmt.Errorf("open memory: %w", err)
	}
	defer memory.Close()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, fmt.Errorf("read mappings: %w", err)
	}
	var needles [][]byte
	for _, value := range values {
		needles = append(needles, encodings(value)...)
	}
	found, read := 0, int64(0)
	for line := range strings.Lines(string(maps)) {
		start, end, ok := readable(line)
		if !ok {
			continue
		}
		copies, n := scanMapping(io.NewSectionReader(memory, start, end-start), needles)
		found, read = found+copies, read+n
	}
	if read == 0 {
		return 0, fmt.Errorf("scan memory of process %d: nothing could be read", pid)
	}
	return found, nil
}

// readable takes the addresses from a line of /proc/PID/maps.
func readable(line string) (start, end int64, ok bool) {
	var mode string
	if _, err := fmt.Sscanf(line, "%x-%x %s", &start, &end, &mode); err != nil {
		return 0, 0, false // vsyscall, above what an int64 holds
	}
	return start, end, strings.HasPrefix(mode, "r")
}

// scanMapping reads in pieces that overlap by the longest needle, so that none falls between two. A page that cannot
// be read ends a mapping: the kernel's own pages are such.
func scanMapping(mapping io.ReaderAt, needles [][]byte) (found int, read int64) {
	overlap := 0
	for _, needle := range needles {
		overlap = max(overlap, len(needle)-1)
	}
	piece := make([]byte, 4<<20)
	for offset := int64(0); ; offset += int64(len(piece) - overlap) {
		n, err := mapping.ReadAt(piece, offset)
		for _, needle := range needles {
			found += bytes.Count(piece[:n], needle)
		}
		read += int64(n)
		if err != nil {
			return found, read
		}
	}
}

// encodings are the forms in which a value may lie in memory. Base64 shows the same bytes in three ways, as they stand
// 0, 1 or 2 bytes into a group; of each, what depends on the value alone.
func encodings(value string) [][]byte {
	inHex := hex.EncodeToString([]byte(value))
	forms := [][]byte{[]byte(value), []byte(inHex), []byte(strings.ToUpper(inHex))}
	for before := range 3 {
		padded := append(make([]byte, before), value...)
		whole := len(padded) / 3 * 3
		encoded := base64.RawStdEncoding.EncodeToString(padded[:whole])
		if before > 0 {
			encoded = encoded[4:] // the group that it shares with what stands before it
		}
		forms = append(forms, []byte(encoded))
	}
	return forms
}

func readLive(t *testing.T, socket, format string) string {
	t.Helper()
	answer, err := over(socket).Get("http://vwrap/v1/env?format=" + format)
	check(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(t, err)
	return string(text)
}

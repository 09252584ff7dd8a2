package containers

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// screen is what a terminal has shown.
type screen struct {
	t    *testing.T
	mu   sync.Mutex
	text []byte
}

func (s *screen) watch(terminal io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := terminal.Read(buffer)
		s.mu.Lock()
		s.text = append(s.text, buffer[:n]...)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(string(s.text), text)
}

// shows waits until it shows text.
func (s *screen) shows(text string) {
	s.t.Helper()
	err := poll(func() error {
		if !s.has(text) {
			return fmt.Errorf("the terminal does not show %q but:\n%s", text, s.text)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

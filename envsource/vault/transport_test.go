package vault

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "0": 0, "7": 7 * time.Second, "999999999999": mostWait, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:04:00 GMT": 0, "Fri, 02 Jan 2099 03:04:00 GMT": mostWait,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// A server that says when to ask again is unavailable until then; one that says nothing is so as long as anybody likes.
func TestABusyServerIsUnavailable(t *testing.T) {
	for header, want := range map[string]time.Duration{"": 0, "30": 30 * time.Second} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if header != "" {
					w.Header().Set("Retry-After", header)
				}
				w.WriteHeader(status)
			}))
			c, err := NewClient(Config{Address: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Renew(t.Context(), "", "lease", time.Minute)
			if wait := envsource.Wait(err); !errors.Is(err, envsource.ErrUnavailable) || wait < want || wait > want+want/2 {
				t.Errorf("%d with %q: %v, wait %s, want %s and up to half more", status, header, err, wait, want)
			}
			server.Close()
		}
	}
}

// Those whom a server tells the same do not come back together.
func TestWhoIsToldTheSameComesLaterApart(t *testing.T) {
	for roll, want := range map[float64]time.Duration{0: time.Minute, 0.5: 75 * time.Second, 1: 90 * time.Second} {
		if got := later(time.Minute, func() float64 { return roll }); got != want {
			t.Errorf("roll %v: %s, want %s", roll, got, want)
		}
	}
}

// What is granted is not let go while the server asks to be left alone, and it is asked once more before the end.
func TestARenewalWaitsAsTheServerAsks(t *testing.T) {
	asked := time.Now()
	p := Policy{RenewAt: 0.67, Lead: time.Second}
	err := envsource.Later(envsource.Mark(errors.New("busy"), envsource.ErrUnavailable), 5*time.Minute)
	for left, want := range map[time.Duration]time.Duration{time.Hour: 5 * time.Minute, 4 * time.Minute: 2 * time.Minute} {
		s := state{born: asked, expires: asked.Add(left), want: left}.failed(err, asked, p, func() float64 { return 0.5 })
		if s.next != renew || s.wake.Sub(asked) != want {
			t.Errorf("%s left: %v after %s, want %s", left, s.next, s.wake.Sub(asked), want)
		}
	}
}

// An answer that has no end, or is nested without one, is an error, not a process that grows; neither has a part of it.
func TestAnswersWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct {
		begin, more, want string
		header            int
	}{
		"a value":      {begin: `{"data":{"key":"`, more: "hush", want: "the answer is larger than 32 MiB"},
		"many keys":    {begin: `{"data":{"a":1`, more: `,"hush":1`, want: "the answer has more than 10000 fields"},
		"many objects": {begin: `{"data":{"a":[1`, more: `,{"hush":1}`, want: "the answer has more than 100000 values"},
		"a deep value": {begin: `{"data":{"key":`, more: "[", want: "the answer is larger than 32 MiB"},
		"deep, ended":  {begin: `{"data":{"key":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`},
		"a header":     {begin: `{}`, header: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Long", strings.Repeat("hush", c.header/4))
				_, err := io.WriteString(w, c.begin)
				for chunk := strings.Repeat(c.more, 10_000); err == nil && c.more != "" && r.Context().Err() == nil; {
					_, err = io.WriteString(w, chunk)
				}
			}))
			defer server.Close()
			s, err := NewSource(Config{Address: server.URL}, secret.New("token"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Read(t.Context(), envsource.Read{Source: envsource.SourceVault, Path: "cubbyhole/a", Method: envsource.MethodRead})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %.200v, want %q", err, c.want)
			}
			if c.want != "" && errors.Is(err, envsource.ErrUnavailable) {
				t.Errorf("it is asked again: %v", err)
			}
		})
	}
}

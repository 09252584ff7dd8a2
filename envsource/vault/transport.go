package vault

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// mostWait is the most that a server is believed about when to ask again.
const mostWait = 10 * time.Minute

// What the API client has no place for in its errors comes back as an error of the transport, which classify knows.

// redirected is an answer that sends elsewhere. The API client takes it for an empty answer where it must not follow.
type redirected struct{}

func (redirected) Error() string { return "Vault redirects elsewhere" }

// busy is an answer whose header says when to ask again.
type busy struct {
	status int
	wait   time.Duration
}

func (b busy) Error() string { return "Vault answers " + strconv.Itoa(b.status) }

// mostAnswer is the largest answer that is read, in bytes: what a server takes itself (max_request_size, 32 MiB), and more than a list of
// a hundred thousand keys. mostHeader is that of its headers.
const (
	mostAnswer = 32 << 20
	mostHeader = 256 << 10
)

// tooLarge is an answer that goes on after that.
type tooLarge struct{}

func (tooLarge) Error() string { return "the answer is larger than 32 MiB" }

// upTo is a body that is an error after so many bytes.
type upTo struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *upTo) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 && err != nil {
			return 0, err
		}
		return 0, tooLarge{}
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// attentive is a transport that finds these. It looks at Retry-After (RFC 9110, section 10.2.3), which a rate limit quota of Vault's, and
// proxies, answer 429 and 503 with.
type attentive struct{ http.RoundTripper }

func (a attentive) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.RoundTripper.RoundTrip(r)
	if err == nil && answer.StatusCode >= 300 && answer.StatusCode < 400 {
		_ = answer.Body.Close()
		return nil, redirected{}
	}
	if err == nil {
		answer.Body = count(r, &upTo{answer.Body, mostAnswer})
	}
	if err != nil || answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable {
		return answer, err
	}
	wait := retryAfter(answer.Header.Get("Retry-After"), time.Now())
	if wait <= 0 {
		return answer, nil
	}
	_ = answer.Body.Close()
	return nil, busy{answer.StatusCode, later(wait, rand.Float64)}
}

// later is wait and up to half as much again: all whom a server tells the same would else come back in the same second.
func later(wait time.Duration, roll dice) time.Duration {
	return wait + time.Duration(float64(wait)*roll()/2)
}

// retryAfter reads the header: seconds or a time. 0 is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return min(seconds(n), mostWait)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), mostWait))
}

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	steps, err := parse("# why\n1& vwrap dev\n1~ up\n2$ vwrap status\n")
	if want := []step{{0, '&', "vwrap dev"}, {0, '~', "up"}, {1, '$', "vwrap status"}}; err != nil || len(steps) != 3 || steps[0] != want[0] || steps[1] != want[1] || steps[2] != want[2] {
		t.Errorf("the steps are %v (%v)", steps, err)
	}
	for _, bad := range []string{"", "vwrap dev", "3$ x", "1% x", "1$"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is a session", bad)
		}
	}
	if _, err := parse(session); err != nil {
		t.Error(err)
	}
}

// ran is a run, with what differs in the next one.
var ran = []event{
	{0, false, "  listen: [tcp 127.0.0.1:41]\nvwrap: is at http://127.0.0.1:42: in\nserver 7: API_KEY is 012345, the database's user 6789ab\n"},
	{0, false, "server 8: API_KEY is 012345, the database's user cdef01\n"},
	{1, false, "served by 7 with 012345\nvwrap 6: server (8) running, up 1m2s\nVault http://127.0.0.1:42, your token\n" +
		"A  lease      ██████░░░░  59m1s  renewed in 44m0s\nB  version 1                     looked at in 3s\n"},
}

func TestSettle(t *testing.T) {
	t.Parallel()
	seen, err := settle(ran)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range seen {
		text.WriteString(e.text)
	}
	const want = `  listen: [tcp 127.0.0.1:3000]
vwrap: is at http://127.0.0.1:8200: in
server 4711: API_KEY is 4e70f0, the database's user babdf3
server 4724: API_KEY is 4e70f0, the database's user c983b5
served by 4711 with 4e70f0
vwrap 4702: server (4724) running, up 9s
Vault http://127.0.0.1:8200, your token
A  lease      ██████████  59m55s  renewed in 40m12s
B  version 1                      looked at in 21s
`
	if text.String() != want {
		t.Errorf("it is\n%swant\n%s", text.String(), want)
	}

	same := append([]event{}, ran[0], ran[2]) // the user did not change
	if _, err := settle(same); err == nil {
		t.Error("a run in which nothing is rotated is settled")
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	picture := draw([]event{{0, true, "a <b>"}, {0, false, strings.Repeat("x", 81) + "\n\nvwrap: & c  d\n"}})
	for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, picture)
		}
	}
	for _, want := range []string{">$ a &lt;b&gt;<", ">" + strings.Repeat("x", 80) + "<", ">x<", ` class="vwrap" x="16.0"`, ">vwrap: &amp; c<", ">d<"} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture lacks %s:\n%s", want, picture)
		}
	}
}

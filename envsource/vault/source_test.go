package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
)

func TestLocate(t *testing.T) {
	v2 := map[string]any{"type": "kv", "path": "secret/", "options": map[string]any{"version": "2"}}
	for _, tt := range []struct {
		path  string
		mount map[string]any
		want  string
		kind  envsource.Kind
	}{
		{"secret/dev/db", v2, "secret/data/dev/db", envsource.KindKV2},
		{"secret/data/dev/db", v2, "secret/data/dev/db", envsource.KindKV2},
		{"kv/dev", map[string]any{"type": "kv", "path": "kv/", "options": nil}, "kv/dev", envsource.KindKV1},
		{"kv/dev", map[string]any{"type": "kv", "path": "kv/", "options": map[string]any{"version": "1"}}, "kv/dev", envsource.KindKV1},
		{"cubbyhole/x", map[string]any{"type": "cubbyhole", "path": "cubbyhole/"}, "cubbyhole/x", envsource.KindKV1},
		{"database/creds/app", map[string]any{"type": "database", "path": "database/"}, "database/creds/app", ""},
		{"x/y", map[string]any{"type": 5, "path": false}, "x/y", ""},
		{"x/y", nil, "x/y", ""},
	} {
		if got := locate(envsource.Read{Path: tt.path}, tt.mount); got.Path != tt.want || got.Kind != tt.kind {
			t.Errorf("%s on %v: %+v", tt.path, tt.mount, got)
		}
	}
}

func answer(t *testing.T, r envsource.Read, text string) (envsource.Answer, error) {
	t.Helper()
	secret, err := api.ParseSecret(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(r, secret, time.Now())
}

func TestAnswers(t *testing.T) {
	v2 := envsource.Read{Path: "secret/data/a", Mount: "secret/", Kind: envsource.KindKV2}
	a, err := answer(t, v2, `{"data":{"data":{"n":12345678901234567890,"html":"<&>","o":{"b":[1.50]}},"metadata":{"version":7}}}`)
	if err != nil || a.Version != 7 || a.Kind != envsource.KindKV2 {
		t.Errorf("%+v, %v", a, err)
	}
	got := map[string]string{}
	for name, raw := range a.Fields {
		got[name] = string(raw)
	}
	want := map[string]string{"n": "12345678901234567890", "html": `"<&>"`, "o": `{"b":[1.50]}`}
	if !maps.Equal(got, want) {
		t.Errorf("fields %v, want %v: digit for digit", got, want)
	}
	a, err = answer(t, envsource.Read{Path: "database/creds/a"}, `{"lease_id":"database/creds/a/x","lease_duration":8,"renewable":true,"data":{"username":"u"}}`)
	if err != nil || a.Kind != envsource.KindLeased || a.TTL != 8*time.Second || !a.Renewable {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = answer(t, envsource.Read{Path: "kv/a", Kind: envsource.KindKV1}, `{"lease_id":"","lease_duration":2764800,"data":{"metadata":"a field as any other"}}`)
	if err != nil || a.Kind != envsource.KindKV1 || a.TTL != 0 || !slices.Contains(slices.Collect(maps.Keys(a.Fields)), "metadata") {
		t.Errorf("a KV v1 field called metadata: %+v, %v", a, err)
	}
	for text, says := range map[string]string{
		`{"data":{"data":null,"metadata":{"version":2,"deletion_time":"2026-01-01T00:00:00Z","destroyed":false}}}`: "secret/a: version 2 is deleted (vault kv undelete -versions=2 brings it back)",
		`{"data":{"data":null,"metadata":{"version":2,"deletion_time":"","destroyed":true}}}`:                      "secret/a: version 2 is destroyed",
	} {
		if _, err := answer(t, v2, text); !errors.Is(err, envsource.ErrMissing) || err.Error() != says {
			t.Errorf("%s: %v, want %s", text, err, says)
		}
	}
}

func TestBrief(t *testing.T) {
	if got, want := brief("1 error:\n\t* no\x1b[31m role\n"), ": 1 error: * no [31m role"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := brief(strings.Repeat("x", 1000)); len(got) > 220 {
		t.Errorf("%d bytes", len(got))
	}
}

// Whatever a server answers, reading it ends in an answer or an error, and what is kept can be carried over.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"data":{"a":1},"metadata":{"version":1}}}`, `{"lease_id":"x","lease_duration":-1,"data":{"a":null}}`, `{"data":[]}`,
		`{"data":{"data":5,"metadata":"x"}}`, `{}`, `{"data":{"":""}}`, `{"lease_duration":99999999999}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		secret, err := api.ParseSecret(bytes.NewReader(text))
		if err != nil || secret == nil {
			return
		}
		for _, kind := range []envsource.Kind{"", envsource.KindKV1, envsource.KindKV2} {
			a, err := answerOf(envsource.Read{Path: "m/data/p", Mount: "m/", Kind: kind}, secret, time.Now())
			if err != nil {
				continue
			}
			for name, raw := range a.Fields {
				if !json.Valid(raw) {
					t.Errorf("field %q is kept as no JSON", name)
				}
			}
		}
	})
}

// What engines say of an end besides a lease.
func TestEnds(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	engine := envsource.Read{Path: "m/issue/x", Mount: "m/", Method: envsource.MethodWrite}
	for name, tt := range map[string]struct {
		read envsource.Read
		data string
		kind envsource.Kind
		ttl  time.Duration
	}{
		"certificate":                  {engine, `{"certificate":"x","expiration":1700003600}`, envsource.KindTimed, time.Hour},
		"certificate past its end":     {engine, `{"expiration":1600000000}`, envsource.KindTimed, time.Nanosecond},
		"static role":                  {engine, `{"last_vault_rotation":"2023-11-14T00:00:00Z","rotation_period":60,"ttl":17}`, envsource.KindRotated, 17 * time.Second},
		"static role with a schedule":  {engine, `{"last_vault_rotation":"2023-11-14T00:00:00Z","rotation_schedule":"0 * * * *","rotation_window":60,"ttl":0}`, envsource.KindRotated, 0},
		"identity token":               {engine, `{"client_id":"x","token":"a.b.c","ttl":300}`, envsource.KindTimed, 5 * time.Minute},
		"secret_id":                    {engine, `{"secret_id":"x","secret_id_ttl":60}`, envsource.KindTimed, time.Minute},
		"secret_id without an end":     {engine, `{"secret_id":"x","secret_id_ttl":0}`, "", 0},
		"plaintext":                    {engine, `{"plaintext":"eA=="}`, "", 0},
		"nonsense":                     {engine, `{"expiration":"soon","certificate":5,"signed_key":"ssh-rsa","token":7,"ttl":-1}`, "", 0},
		"a mount that nobody knows":    {envsource.Read{Path: "m/x"}, `{"expiration":1700003600}`, "", 0},
		"a KV secret with such fields": {envsource.Read{Path: "kv/x", Mount: "kv/", Kind: envsource.KindKV1}, `{"expiration":1700003600,"last_vault_rotation":"x","ttl":5}`, "", 0},
		"SSH certificate": {
			engine, `{"signed_key":` + strconv.Quote(sshCertificate) + `}`, envsource.KindTimed,
			sshCertificateEnd.Sub(now),
		},
	} {
		secret, err := api.ParseSecret(strings.NewReader(`{"data":` + tt.data + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if kind, ttl := endOf(tt.read, secret.Data, now); kind != tt.kind || ttl != tt.ttl {
			t.Errorf("%s: %q in %s, want %q in %s", name, kind, ttl, tt.kind, tt.ttl)
		}
	}
}

// Made by: ssh-keygen -t ed25519 -N "" -f ca; ssh-keygen -t ed25519 -N "" -f key;
// ssh-keygen -s ca -I key-id -n me,you -V 20300101000000Z:20300102030405Z key.pub
const sshCertificate = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIPxO1f5EJ4FO47037H05lwKhNgncm+saZTS6PIGTOnhAAAAAINlhnPDFgXLaEKz+nehk8oLfBFV8Hn97w96SN2jbrAxhAAAAAAAAAAAAAAABAAAABmtleS1pZAAAAA0AAAACbWUAAAADeW91AAAAAHDb2IAAAAAAcN1VJQAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIHuTtkrZ9WEie9PzweDqenfuCX2QiQR5UnzVW7SCbZ2sAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEAjTnL2cmkjp59KG1uFr7R7X591dqzTRxK0gPlg6RBH8XMpHn27qp60xMfu2ErN/MKmP/QcSqLhaR0nLxiPTSgB"

var sshCertificateEnd = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func FuzzSSHEnd(f *testing.F) {
	f.Add(sshCertificate)
	f.Add("ssh-rsa-cert-v01@openssh.com AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		if at, ok := sshEnd(line); !ok && !at.IsZero() {
			t.Errorf("%q has no end, but %v", line, at)
		}
	})
}

package check_test

import (
	"strings"
	"testing"

	"github.com/vwrap/vwrap/internal/check"
)

// reports have something of everything.
var reports = []check.Report{
	{
		Check: "parity", Summary: "3 keys wanted, 1 missing", Diff: "--- wanted\n+++ there\n-API_KEY\n DB_HOST\n", Passed: []string{"DB_HOST"},
		Findings: []check.Finding{{Rule: "missing", Subject: "API_KEY", Text: "API_KEY is missing", Mend: "write it: vault kv patch secret/dev/app API_KEY=-"}},
	},
	{
		Check: "address", Summary: "2 addresses, 1 server",
		Findings: []check.Finding{{Rule: "no-tag", Warning: true, File: "a,b:c.yml", Line: 3, Column: 7, Text: "100% odd\nin two lines"}},
	},
	{Check: "ttl", Summary: "nothing is leased"},
	{Check: "leaks", Error: "look at a: no such file\nlook at b: 100% gone", Summary: "1 value looked for in 2 files, 1 found", Findings: []check.Finding{
		{Rule: "leak", Subject: "KEY", File: "c", Line: 2, Column: 5, Text: "has the value of KEY"},
		{Rule: "leak", Subject: "KEY", File: "c", Line: 4, Column: 5, Text: "has the value of KEY"},
	}},
	{Check: "parity", Error: "nobody answers"},
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"text": `--- wanted
+++ there
-API_KEY
 DB_HOST
drift: API_KEY is missing
  write it: vault kv patch secret/dev/app API_KEY=-
parity: drift: 3 keys wanted, 1 missing

a,b:c.yml:3:7: warning: 100% odd
in two lines
address: clean: 2 addresses, 1 server

ttl: clean: nothing is leased

c:2:5: drift: has the value of KEY
c:4:5: drift: has the value of KEY
leaks: not checked: look at a: no such file; look at b: 100% gone; but for that: 1 value looked for in 2 files, 1 found

parity: not checked: nobody answers
`,
		"github": `::error title=vwrap check parity%3A missing::API_KEY is missing%0Awrite it: vault kv patch secret/dev/app API_KEY=-
parity: 3 keys wanted, 1 missing
::warning title=vwrap check address%3A no-tag,file=a%2Cb%3Ac.yml,line=3,col=7::100%25 odd%0Ain two lines
address: 2 addresses, 1 server
ttl: nothing is leased
::error title=vwrap check leaks%3A leak,file=c,line=2,col=5::has the value of KEY
::error title=vwrap check leaks%3A leak,file=c,line=4,col=5::has the value of KEY
::error title=vwrap check leaks%3A not checked::look at a: no such file%0Alook at b: 100%25 gone
leaks: 1 value looked for in 2 files, 1 found
::error title=vwrap check parity%3A not checked::nobody answers
`,
		"json": `{
  "clean": false,
  "checks": [
    {
      "check": "parity",
      "summary": "3 keys wanted, 1 missing",
      "diff": "--- wanted\n+++ there\n-API_KEY\n DB_HOST\n",
      "findings": [
        {
          "rule": "missing",
          "subject": "API_KEY",
          "text": "API_KEY is missing",
          "mend": "write it: vault kv patch secret/dev/app API_KEY=-"
        }
      ],
      "passed": [
        "DB_HOST"
      ]
    },
    {
      "check": "address",
      "summary": "2 addresses, 1 server",
      "findings": [
        {
          "rule": "no-tag",
          "warning": true,
          "file": "a,b:c.yml",
          "line": 3,
          "column": 7,
          "text": "100% odd\nin two lines"
        }
      ]
    },
    {
      "check": "ttl",
      "summary": "nothing is leased",
      "findings": []
    },
    {
      "check": "leaks",
      "error": "look at a: no such file\nlook at b: 100% gone",
      "summary": "1 value looked for in 2 files, 1 found",
      "findings": [
        {
          "rule": "leak",
          "subject": "KEY",
          "file": "c",
          "line": 2,
          "column": 5,
          "text": "has the value of KEY"
        },
        {
          "rule": "leak",
          "subject": "KEY",
          "file": "c",
          "line": 4,
          "column": 5,
          "text": "has the value of KEY"
        }
      ]
    },
    {
      "check": "parity",
      "error": "nobody answers",
      "summary": "",
      "findings": []
    }
  ]
}
`,
		"junit": `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="vwrap check parity" tests="2" failures="1" errors="0" skipped="0" time="0.000">
    <testcase classname="vwrap.check.parity" name="DB_HOST"></testcase>
    <testcase classname="vwrap.check.parity" name="missing API_KEY">
      <failure message="API_KEY is missing">API_KEY is missing&#xA;write it: vault kv patch secret/dev/app API_KEY=-</failure>
    </testcase>
    <system-out>3 keys wanted, 1 missing</system-out>
  </testsuite>
  <testsuite name="vwrap check address" tests="1" failures="0" errors="0" skipped="0" time="0.000">
    <testcase classname="vwrap.check.address" name="address"></testcase>
    <system-out>warning: a,b:c.yml:3:7: 100% odd&#xA;in two lines&#xA;2 addresses, 1 server</system-out>
  </testsuite>
  <testsuite name="vwrap check ttl" tests="1" failures="0" errors="0" skipped="0" time="0.000">
    <testcase classname="vwrap.check.ttl" name="ttl"></testcase>
    <system-out>nothing is leased</system-out>
  </testsuite>
  <testsuite name="vwrap check leaks" tests="3" failures="2" errors="1" skipped="0" time="0.000">
    <testcase classname="vwrap.check.leaks" name="leak KEY c:2:5">
      <failure message="c:2:5: has the value of KEY">c:2:5: has the value of KEY</failure>
    </testcase>
    <testcase classname="vwrap.check.leaks" name="leak KEY c:4:5">
      <failure message="c:4:5: has the value of KEY">c:4:5: has the value of KEY</failure>
    </testcase>
    <testcase classname="vwrap.check.leaks" name="leaks">
      <error message="look at a: no such file">look at a: no such file&#xA;look at b: 100% gone</error>
    </testcase>
    <system-out>1 value looked for in 2 files, 1 found</system-out>
  </testsuite>
  <testsuite name="vwrap check parity" tests="1" failures="0" errors="1" skipped="0" time="0.000">
    <testcase classname="vwrap.check.parity" name="parity">
      <error message="nobody answers">nobody answers</error>
    </testcase>
  </testsuite>
</testsuites>
`,
	} {
		var b strings.Builder
		if err := check.Write(&b, format, false, reports...); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%s is\n%s", format, b.String())
		}
	}
}

func TestColours(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := check.Write(&b, "text", true, reports[0]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[31m-API_KEY\x1b[0m\n", "\x1b[31mdrift\x1b[0m: API_KEY is missing\n", "\x1b[1mparity\x1b[0m: "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in %q", want, b.String())
		}
	}
}

// No format but JSON, which has its own, shows a terminal what it would obey; and lines stay lines.
func TestEscapes(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[31mb\u202e"
	r := check.Report{
		Check: "leaks", Summary: evil, Diff: "-" + evil + "\n+b\n", Passed: []string{evil},
		Findings: []check.Finding{{Rule: "r", Subject: evil, File: evil + "\n", Line: 1, Text: evil, Mend: evil + "\nb"}},
	}
	for _, format := range []string{"text", "github", "junit"} {
		var b strings.Builder
		if err := check.Write(&b, format, false, r); err != nil {
			t.Fatal(err)
		}
		if text := b.String(); strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, `a\x1b[31mb\u202e\n`) || strings.Contains(text, `\nb`) {
			t.Errorf("%s: %q", format, text)
		}
	}
	if r.Findings[0].Text != evil || r.Passed[0] != evil {
		t.Errorf("the report is another: %+v", r)
	}
}

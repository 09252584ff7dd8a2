package junit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vwrap/vwrap/internal/junit"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := junit.Write(&b, junit.Suite{Name: "vwrap check", Took: 1500 * time.Millisecond, Cases: []junit.Case{
		{Class: "parity", Name: "API_KEY"},
		{Class: "parity", Name: `a<b>"&`, Failure: "is <missing> & gone\nadd it"},
		{Class: "parity", Name: "all", Error: "nobody answers"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="vwrap check" tests="3" failures="1" errors="1" skipped="0" time="1.500">
    <testcase classname="parity" name="API_KEY"></testcase>
    <testcase classname="parity" name="a&lt;b&gt;&#34;&amp;">
      <failure message="is &lt;missing&gt; &amp; gone">is &lt;missing&gt; &amp; gone&#xA;add it</failure>
    </testcase>
    <testcase classname="parity" name="all">
      <error message="nobody answers">nobody answers</error>
    </testcase>
  </testsuite>
</testsuites>
`
	if b.String() != want {
		t.Errorf("written is\n%s", b.String())
	}
}

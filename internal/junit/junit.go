// Package junit writes test reports in the XML that pipelines read: the parts that its readers (Jenkins, GitLab, GitHub's
// actions) agree about, by Jenkins' schema (junit-4.xsd).
package junit

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Suite is a report.
type Suite struct {
	Name  string
	Took  time.Duration
	Cases []Case
	Out   string // what is told besides
}

// Case is a test. It failed where Failure says why, and could not be done where Error does.
type Case struct {
	Class, Name    string
	Failure, Error string // the first line is the message
}

// Write writes the suites.
func Write(w io.Writer, all ...Suite) error {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<testsuites>\n")
	for _, s := range all {
		s.write(&b)
	}
	b.WriteString("</testsuites>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (s Suite) write(b *bytes.Buffer) {
	failures, errors := 0, 0
	for _, c := range s.Cases {
		if c.Failure != "" {
			failures++
		}
		if c.Error != "" {
			errors++
		}
	}
	fmt.Fprintf(b, "  <testsuite name=%s tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"0\" time=\"%.3f\">\n",
		quoted(s.Name), len(s.Cases), failures, errors, s.Took.Seconds())
	for _, c := range s.Cases {
		c.write(b)
	}
	if s.Out != "" {
		fmt.Fprintf(b, "    <system-out>%s</system-out>\n", escaped(s.Out))
	}
	b.WriteString("  </testsuite>\n")
}

func (c Case) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "    <testcase classname=%s name=%s>", quoted(c.Class), quoted(c.Name))
	if c.Failure == "" && c.Error == "" {
		b.WriteString("</testcase>\n")
		return
	}
	b.WriteString("\n")
	reason(b, "failure", c.Failure)
	reason(b, "error", c.Error)
	b.WriteString("    </testcase>\n")
}

// reason writes why a test has not passed; nothing where text is "".
func reason(b *bytes.Buffer, element, text string) {
	if text != "" {
		message, _, _ := strings.Cut(text, "\n")
		fmt.Fprintf(b, "      <%[1]s message=%[2]s>%[3]s</%[1]s>\n", element, quoted(message), escaped(text))
	}
}

func quoted(text string) string { return `"` + escaped(text) + `"` }

// escaped is text as XML has it. (The library's encoder, which would do all of this, is five times as large as the rest
// of it: a hundredth of vwrap.)
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes everything
	return b.String()
}

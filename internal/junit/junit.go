// Package junit writes test reports in the XML that pipelines read: the parts that its readers (Jenkins, GitLab, GitHub's
// actions) agree about, by Jenkins' schema (junit-4.xsd).
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
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

type (
	suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`
		Out      string     `xml:"system-out,omitempty"`
	}
	testcase struct {
		Class   string  `xml:"classname,attr"`
		Name    string  `xml:"name,attr"`
		Failure *reason `xml:"failure"`
		Error   *reason `xml:"error"`
	}
	reason struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// Write writes the suites.
func Write(w io.Writer, all ...Suite) error {
	var doc suites
	for _, s := range all {
		out := suite{Name: s.Name, Tests: len(s.Cases), Time: fmt.Sprintf("%.3f", s.Took.Seconds()), Out: s.Out}
		for _, c := range s.Cases {
			t := testcase{Class: c.Class, Name: c.Name}
			if c.Failure != "" {
				t.Failure = &reason{firstLine(c.Failure), c.Failure}
				out.Failures++
			}
			if c.Error != "" {
				t.Error = &reason{firstLine(c.Error), c.Error}
				out.Errors++
			}
			out.Cases = append(out.Cases, t)
		}
		doc.Suites = append(doc.Suites, out)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func firstLine(text string) string {
	for i, c := range text {
		if c == '\n' {
			return text[:i]
		}
	}
	return text
}

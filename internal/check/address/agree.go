package address

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
)

// groups are servers that are one. A group has the name of the first that was joined.
type groups map[string]string

// of is the group of a key.
func (g groups) of(key string) string { return cmp.Or(g[key], key) }

// join makes the groups of a and b one.
func (g groups) join(a, b string) {
	from, to := g.of(b), g.of(a)
	if from != to {
		for key, group := range g {
			if group == from {
				g[key] = to
			}
		}
	}
	g[a], g[b] = to, to
}

// groups joins what means one server: aliases, and the ports that a service is published at.
func (l *look) groups() groups {
	g := groups{}
	for _, p := range l.places {
		for _, key := range p.keys {
			g.join(p.keys[0], key)
		}
	}
	for _, aliases := range l.Aliases {
		first := ""
		for _, text := range aliases {
			s, err := parse(text)
			if err != nil {
				continue // the configuration's decoder does not know what is there
			}
			service, _ := l.serviceOf("vwrap.yaml", 0, s)
			for _, key := range l.keys(service, s) {
				first = cmp.Or(first, key)
				g.join(first, key)
			}
		}
	}
	return g
}

// vaults are the folders of Compose with a Vault of their own, and the groups that these are. Where all are one Vault, or there is one
// such folder, there is nothing to tell apart.
func (l *look) vaults(g groups) map[string][]string {
	all := map[string][]string{}
	for folder, services := range l.projects {
		for _, s := range services {
			for _, port := range s.listens.ports() {
				for _, scheme := range []string{"http", "https"} {
					if s.vault {
						all[folder] = append(all[folder], g.of(s.keys(scheme, port)[0]))
					}
				}
			}
		}
	}
	for _, a := range all {
		for _, b := range all {
			if !slices.ContainsFunc(a, func(group string) bool { return slices.Contains(b, group) }) {
				return all
			}
		}
	}
	return nil
}

// scope is the folder of a project that has a Vault of its own, and the file; "" for none.
func scope(vaults map[string][]string, file string) string {
	for folder := path.Dir(file); len(vaults) > 0; folder = path.Dir(folder) {
		if vaults[folder] != nil {
			return folder
		}
		if folder == "." {
			break
		}
	}
	return ""
}

// compare says which places do not mean the server that most mean: of their project, if several have a Vault of their own.
func (l *look) compare(r *check.Report) (servers int) {
	g := l.groups()
	vaults := l.vaults(g)
	count, all := map[string]map[string]int{}, map[string]int{}
	group := func(p place) string { return g.of(p.keys[0]) }
	for _, p := range l.places {
		if l.apart(p) {
			continue
		}
		in := scope(vaults, p.file)
		if count[in] == nil {
			count[in] = map[string]int{}
		}
		count[in][group(p)]++
		all[group(p)]++
	}
	for _, p := range l.places {
		in := scope(vaults, p.file)
		counts := count[in]
		if in == "" {
			counts = all
		}
		most, alone := mostOf(counts)
		fine := l.apart(p) || group(p) == most && alone
		for _, own := range vaults { // a place outside of all projects may mean any of theirs
			fine = fine || in == "" && slices.Contains(own, group(p))
		}
		if fine {
			r.Passed = append(r.Passed, fmt.Sprintf("%s:%d", p.file, p.line))
			continue
		}
		r.Findings = append(r.Findings, differs(p, group(p), most, counts))
	}
	return len(all)
}

// mostOf is what is counted most, and whether it alone is; of several, the first by name.
func mostOf(count map[string]int) (most string, alone bool) {
	for _, key := range slices.Sorted(maps.Keys(count)) {
		switch {
		case count[key] > count[most]:
			most, alone = key, true
		case count[key] == count[most]:
			alone = false
		}
	}
	return most, alone
}

// differs is what is wrong with a place that means another server than most, or one that as many mean.
func differs(p place, group, most string, count map[string]int) check.Finding {
	total := 0
	for _, n := range count {
		total += n
	}
	f := check.Finding{
		Rule: "another-server", Subject: p.server.text, File: p.file, Line: p.line, Column: p.column,
		Text: fmt.Sprintf("%s is another server than %s, which %d of %d places mean", p.server.text, shown(most), count[most], total),
		Mend: "write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one",
	}
	if count[group] == count[most] {
		f.Text = fmt.Sprintf("the files name %d servers, none of them most often: %s here", len(count), p.server.text)
	}
	return f
}

// apart reports whether an address is compared with no other: a Vault that runs beside a job of a pipeline is that job's own, one that is not
// published may say where it is for itself, and a name that services of several projects have may mean any of them.
func (l *look) apart(p place) bool {
	switch {
	case !p.named:
		return l.besides[p.server.host]
	case p.service == nil:
		return true
	}
	return p.server.here && strings.Contains(p.keys[0], "\x00")
}

// plainHTTP is what is wrong with an address that shows the token to the network.
func (l *look) plainHTTP(p place) (check.Finding, bool) {
	if p.server.scheme != "http" || p.server.here || p.named || l.apart(p) {
		return check.Finding{}, false
	}
	return check.Finding{
		Rule: "plain-http", Subject: p.server.text, File: p.file, Line: p.line, Column: p.column,
		Text: p.server.text + " is not this machine, and http shows the token to the network", Mend: "use https",
	}, true
}

// report is what was found.
func (l *look) report() check.Report {
	l.resolve()
	r := check.Report{Check: "address", Findings: l.found}
	for _, p := range l.places {
		if f, ok := l.plainHTTP(p); ok {
			r.Findings = append(r.Findings, f)
		}
	}
	servers := l.compare(&r)
	r.Sort()
	r.Summary = fmt.Sprintf("%s, %s, %s", count(l.files, "file"), count(len(l.places), "address"), count(servers, "server"))
	if l.unknown > 0 {
		r.Summary += fmt.Sprintf("; %d more filled in elsewhere", l.unknown)
	}
	return r
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "address":
		return fmt.Sprintf("%d addresses", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

package leaks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vwrap/vwrap/internal/worktree"
)

const mendHistory = "rotate the secret: the commit keeps it; git filter-repo takes it out, for those who clone anew"

// git is a command in a work tree.
func (l *look) git(ctx context.Context, top string, args ...string) *exec.Cmd {
	return worktree.Git(ctx, l.Env.Command, top, args...)
}

// topOf is the work tree of git that a path is in, or "".
func topOf(path string) string {
	for dir := path; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// state says of each file that was found whether git tracks or ignores it. Where git cannot tell, nothing is said.
func (l *look) state(ctx context.Context) {
	in := map[string][]*finding{} // by work tree
	for i := range l.found {
		f := &l.found[i]
		if top := l.nearest(f.path); top != "" && !strings.Contains(f.path+"/", "/.git/") {
			in[top] = append(in[top], f)
		}
	}
	for top, found := range in {
		l.stateIn(ctx, top, found)
	}
}

// nearest is the innermost of the work trees that a path is in.
func (l *look) nearest(path string) string {
	best := ""
	for _, top := range l.tops {
		if path != "" && strings.HasPrefix(path, strings.TrimSuffix(top, "/")+"/") && len(top) > len(best) {
			best = top
		}
	}
	return best
}

func (l *look) stateIn(ctx context.Context, top string, found []*finding) {
	name := func(f *finding) string { return strings.TrimPrefix(f.path, strings.TrimSuffix(top, "/")+"/") }
	tracked, err := l.names(l.git(ctx, top, "ls-files", "-z"))
	if err != nil {
		return
	}
	var ask strings.Builder
	for _, f := range found {
		ask.WriteString(name(f) + "\x00")
	}
	checkIgnore := l.git(ctx, top, "check-ignore", "-z", "--stdin")
	checkIgnore.Stdin = strings.NewReader(ask.String())
	ignored, err := l.names(checkIgnore)
	if e, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || e.ExitCode() != 1) { // 1: none is ignored
		return
	}
	for _, f := range found {
		switch {
		case tracked[name(f)]:
			f.Text += "; git tracks the file"
			if f.Mend == mendFile {
				f.Mend = mendTracked
			}
		case ignored[name(f)]:
			f.Text += "; git ignores the file"
		default:
			f.Text += "; git does not track the file"
		}
	}
}

func (l *look) names(cmd *exec.Cmd) (map[string]bool, error) {
	out, err := cmd.Output()
	all := map[string]bool{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		all[name] = true
	}
	return all, err
}

// commits looks at the last commits of each work tree, and at what is staged in it.
func (l *look) commits(ctx context.Context) error {
	if l.History == 0 || len(l.patterns) == 0 {
		return nil
	}
	var done []string
	var errs []error
	for _, top := range l.tops {
		store, err := l.git(ctx, top, "rev-parse", "--path-format=absolute", "--git-common-dir").Output()
		if err == nil && slices.Contains(done, string(store)) {
			continue // a further work tree of the same repository
		}
		done = append(done, string(store))
		if err == nil {
			err = l.objects(ctx, top)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("look at the history of git in %s: %w%s", l.redact(top), err, l.said(err)))
		}
	}
	return errors.Join(errs...)
}

// said is what a program wrote to standard error, on a line.
func (l *look) said(err error) string {
	e, ok := errors.AsType[*exec.ExitError](err)
	if !ok || len(e.Stderr) == 0 {
		return ""
	}
	return ": " + l.redact(strings.Join(strings.Fields(string(e.Stderr)), " "))
}

// An object of git: a commit, or a file or directory in one. In the index there is no commit.
type object struct{ id, commit, path, top string }

// objects has git unpack each object once: git names them, this asks for them one by one, and looks at them as they come.
func (l *look) objects(ctx context.Context, top string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cat := l.git(ctx, top, "cat-file", "--batch")
	asks, err := cat.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := cat.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cat.Start(); err != nil {
		return err
	}
	asked, listed := make(chan object, 64), make(chan error, 1)
	go func() {
		defer close(asked)
		defer asks.Close()
		listed <- l.list(ctx, top, func(o object) error {
			select {
			case asked <- o:
			case <-ctx.Done():
				return ctx.Err()
			}
			_, err := io.WriteString(asks, o.id+"\n")
			return err
		})
	}()
	err = l.unpacked(bufio.NewReaderSize(answers, 64<<10), asked)
	if err != nil {
		cancel()
	}
	return errors.Join(err, <-listed, cat.Wait())
}

// list names what is staged, and then the objects of the last commits with the oldest first: what is in many is told of the
// one that brought it.
func (l *look) list(ctx context.Context, top string, ask func(object) error) error {
	staged := func(line string) error {
		what, path, _ := strings.Cut(line, "\t")
		if f := strings.Fields(what); len(f) > 1 && f[0] != "160000" { // a submodule's commit is in another repository
			return ask(object{id: f[1], path: path, top: top})
		}
		return nil
	}
	if err := each(l.git(ctx, top, "ls-files", "--stage", "-z"), 0, staged); err != nil {
		return err
	}
	commit := ""
	// What a partial clone has not got is left out, and not fetched.
	revisions := l.git(ctx, top, "rev-list", "--objects", "--missing=allow-any", "--in-commit-order", "--reverse", "--all", "--reflog", "--max-count="+strconv.Itoa(l.History))
	return each(revisions, '\n', func(line string) error {
		id, path, inside := strings.Cut(line, " ")
		if !inside {
			commit = id
		}
		return ask(object{id, commit, path, top})
	})
}

// each calls do for each line that a command writes.
func each(cmd *exec.Cmd, end byte, do func(string) error) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for r := bufio.NewReader(out); err == nil; {
		var line string
		if line, err = r.ReadString(end); err == nil {
			err = do(line[:len(line)-1])
		}
	}
	if !errors.Is(err, io.EOF) {
		out.Close() // it ends by what it writes next
		return errors.Join(err, cmd.Wait())
	}
	return cmd.Wait()
}

// unpacked looks at the objects that git writes: "ID TYPE SIZE", the content, a line end.
func (l *look) unpacked(r *bufio.Reader, asked <-chan object) error {
	buffer := l.searcher.Buffer()
	for o := range asked {
		header, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read what git unpacks: %w", err)
		}
		f := strings.Fields(header)
		if len(f) != 3 {
			continue // missing: a clone may leave objects out
		}
		size, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return fmt.Errorf("read what git unpacks: no size of object %s", o.id)
		}
		content := io.LimitReader(r, size)
		if f[1] == "commit" || f[1] == "blob" {
			if err := l.object(o, f[1] == "commit", content, buffer); err != nil {
				return fmt.Errorf("read what git unpacks: %w", err)
			}
		}
		if _, err := io.Copy(io.Discard, io.MultiReader(content, io.LimitReader(r, 1))); err != nil {
			return fmt.Errorf("read what git unpacks: %w", err)
		}
	}
	return nil
}

func (l *look) object(o object, commit bool, content io.Reader, buffer []byte) error {
	var all matches
	if err := l.searcher.Stream(content, buffer, l.collect(&all)); err != nil {
		return err
	}
	all = l.without(all, filepath.Join(o.top, o.path))
	short := o.commit[:min(len(o.commit), 12)]
	var where finding
	switch {
	case commit:
		l.counts.commits++
		for i := range all { // the lines of a commit's own form are nobody's
			for h := range all[i].hits {
				all[i].hits[h].Line, all[i].hits[h].Column = 0, 0
			}
		}
		where.File, where.Mend = short, mendHistory
		l.tell(all, where, "the commit's message")
	case o.commit == "":
		where.File, where.Mend = ":"+o.path, "take it out and git add the file again; git gc --prune=now deletes what was staged"
		l.tell(all, where, "what is staged")
	default:
		where.File, where.Mend = short+":"+o.path, mendHistory
		l.tell(all, where, "the commit")
	}
	return nil
}

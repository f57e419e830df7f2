package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/unionlink/unionlink/api/evidence"
	"github.com/unionlink/unionlink/api/query"
)

// explanation is the answer of /v1/persons/{person_id}/explain.
type explanation struct {
	PersonID string `json:"person_id"`
	Former   bool   `json:"former"`
	evidence.Explanation
	History []query.Change `json:"history"`
	AsOf    time.Time      `json:"as_of"`
}

// branch is one line of a tree with what hangs below it.
type branch struct {
	text  string
	below []*branch
}

// hang adds a line below b and returns it. Its words come from publishers: what a
// terminal would obey instead of showing is replaced.
func (b *branch) hang(words ...string) *branch {
	line := &branch{text: strings.Map(printable, strings.Join(words, " "))}
	b.below = append(b.below, line)
	return line
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// print writes what hangs below b, each line behind a margin.
func (b *branch) print(out io.Writer, margin string) error {
	for i, line := range b.below {
		joint, next := "├─ ", "│  "
		if i == len(b.below)-1 {
			joint, next = "└─ ", "   "
		}
		if _, err := fmt.Fprintln(out, margin+joint+line.text); err != nil {
			return fmt.Errorf("print the tree: %w", err)
		}
		if err := line.print(out, margin+next); err != nil {
			return err
		}
	}
	return nil
}

// print writes an explanation as a tree: the person, its identities, what each holds and
// who said so; then keys that link nobody, and the person's history.
func (e *explanation) print(out io.Writer) error {
	title := fmt.Sprintf("%s: %s by %s, as of %s", e.PersonID, count(len(e.Identities), "identity", "identities"),
		count(len(e.Keys), "key", "keys"), stamp(e.AsOf))
	if e.Former {
		title += " (the id asked for is a former one)"
	}
	if _, err := fmt.Fprintln(out, title); err != nil {
		return fmt.Errorf("print the tree: %w", err)
	}
	return e.tree().print(out, "")
}

func (e *explanation) tree() *branch {
	root := &branch{}
	for _, id := range e.Identities {
		e.identity(root.hang(id.AppID, id.OpenID, "first seen", stamp(id.FirstSeen)), id)
	}
	if len(e.Overloaded) > 0 {
		crowded := root.hang("overloaded keys, which link nobody")
		for _, o := range e.Overloaded {
			crowded.hang(o.Space, o.Value, "held by", count(o.Identities, "identity", "identities"))
		}
	}
	if len(e.History) > 0 {
		past := root.hang("history")
		for _, h := range e.History {
			past.hang(stamp(h.Learnt), h.AppID, h.OpenID, h.From, "→", h.To, "by", h.Cause)
		}
	}
	return root
}

// identity hangs what bears on one identity: what it holds, what was not believed and
// what was undone.
func (e *explanation) identity(at *branch, id evidence.Identity) {
	is := func(appid, openid string) bool { return appid == id.AppID && openid == id.OpenID }
	for _, l := range e.Links {
		if !is(l.AppID, l.OpenID) {
			continue
		}
		held := at.hang("holds", l.Space, l.Value)
		for _, told := range l.Evidence {
			held.hang(source(told))
		}
	}
	for _, m := range e.Migrations {
		if is(m.AppID, m.OpenID) {
			at.hang("migrated").hang(source(m.Evidence))
		}
	}
	for _, c := range e.Conflicts {
		if is(c.AppID, c.OpenID) {
			at.hang("conflict", c.Space, c.Value+", but", c.Held, "counts").hang(source(c.Evidence))
		}
	}
	for _, v := range e.Voided {
		if is(v.AppID, v.OpenID) {
			at.hang("voided", v.Space, v.Value, "by", v.By).hang(source(v.Evidence))
		}
	}
}

// source tells one piece of evidence.
func source(told evidence.Evidence) string {
	return fmt.Sprintf("%s said so at %s (learnt %s) in %s", told.Source, stamp(told.OccurredAt), stamp(told.StreamTime), told.EventID)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

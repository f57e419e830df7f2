package backfill

import (
	"testing"
	"time"
)

func TestCursor_skip(t *testing.T) {
	page := []string{"o1", "o2", "o3", "o4", "o5"}
	cases := []struct {
		name string
		at   cursor
		want int
	}{
		{"at the beginning", cursor{}, 0},
		{"after the last one done", cursor{Last: []string{"o1", "o2"}, Done: 2}, 2},
		{"the last one done has left", cursor{Last: []string{"o1", "o2", "oX"}, Done: 3}, 2},
		{"all of the last hundred have left", cursor{Last: []string{"oX", "oY"}, Done: 2}, 2},
		{"the page became shorter", cursor{Last: []string{"oX"}, Done: 9}, 5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.at.skip(page); got != c.want {
				t.Fatalf("skips %d, want %d", got, c.want)
			}
		})
	}
}

func TestNextMidnight(t *testing.T) {
	for now, want := range map[string]string{
		"2026-11-22T15:59:59Z": "2026-11-23T00:00:00+08:00",
		"2026-11-22T16:00:00Z": "2026-11-24T00:00:00+08:00",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextMidnight(at).Format(time.RFC3339); got != want {
			t.Errorf("after %s comes %s, want %s", now, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{}).WithDefaults().Validate(); err != nil {
		t.Fatal(err)
	}
	if err := (Config{RetryWait: -1}).WithDefaults().Validate(); err == nil {
		t.Fatal("a negative pause was taken")
	}
}

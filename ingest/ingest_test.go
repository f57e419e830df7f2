package ingest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestConfig(t *testing.T) {
	t.Run("the defaults are valid", func(t *testing.T) { must(t, Config{}.Validate()) })
	t.Run("every fault is told at once", func(t *testing.T) {
		err := Config{
			MaxBodyMemory: 1, TrustedProxies: []string{"10.0.0.1"}, ReadTimeout: -1,
			Keys: []Key{
				{Name: "a", Key: "sha256:12", SigningSecret: "whsec_?"},
				{Name: "a", AppIDs: []string{"wx1"}, EventsPerSecond: -1, Burst: -1},
				{Name: "b", Key: "same", AppIDs: []string{"wx1"}},
				{Name: "c", Key: "same", AppIDs: []string{"wx1"}},
			},
			Commit: CommitConfig{MaxEvents: 1001, MinBatch: 1, Flights: 51, MaxInflightBytes: 1},
		}.Validate()
		if err == nil {
			t.Fatal("it is valid")
		}
		for _, path := range []string{
			"max_body_memory:", "trusted_proxies[0]:", "read_timeout:", "keys[0].key:", "keys[0].appids:", "keys[0].signing_secret:",
			"keys[1].key:", "keys[1].name:", "keys[1].events_per_second:", "keys[1].burst:", "keys[3].key:",
			"commit.max_events:", "commit.min_batch:", "commit.flights:", "commit.max_inflight_bytes:",
		} {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%s is not among the faults:\n%s", path, err)
			}
		}
	})
	t.Run("it is read from YAML", func(t *testing.T) {
		var got Config
		must(t, yaml.UnmarshalWithOptions([]byte(`
keys: [{name: backend-1, key: secret, appids: [wx1], expires: 2027-01-02T03:04:05Z, events_per_second: 10}]
read_timeout: 5s
trusted_proxies: [10.0.0.0/8]
commit: {min_batch: 3, linger: 1ms, flights: 2}
`), &got, yaml.Strict()))
		want := Config{
			Keys:           []Key{{Name: "backend-1", Key: "secret", AppIDs: []string{"wx1"}, Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), EventsPerSecond: 10}},
			ReadTimeout:    5 * time.Second,
			TrustedProxies: []string{"10.0.0.0/8"},
			Commit:         CommitConfig{MinBatch: 3, Linger: time.Millisecond, Flights: 2},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("every field has a name in YAML", func(t *testing.T) {
		for _, of := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Key](), reflect.TypeFor[CommitConfig]()} {
			for i := range of.NumField() {
				if of.Field(i).Tag.Get("yaml") == "" {
					t.Errorf("%s.%s has none", of.Name(), of.Field(i).Name)
				}
			}
		}
	})
}

func TestNewTellsWhatIsMissing(t *testing.T) {
	_, err := New(Config{}, Deps{})
	for _, want := range []string{"publisher", "logger", "registerer"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
	if _, err := NewCommitter(CommitConfig{Flights: -1}, nil, prometheus.NewRegistry()); err == nil {
		t.Error("a committer with a wrong configuration was made")
	}
}

// TestNothingPersonalIsLogged sends recognizable values through every path, good and
// bad, and looks for them where they must not be.
func TestNothingPersonalIsLogged(t *testing.T) {
	s := start(t, oneKey(), roomy)
	const canary = "CANARY"
	login := func(appid string) string {
		return fmt.Sprintf(`{"event_id":"%[1]s-event","occurred_at":"2026-11-22T10:00:00Z","appid":%[2]q,"openid":"%[1]s-openid","unionid":"%[1]s-unionid",
			"profile":{"nickname":"%[1]s-nick","headimgurl":"https://%[1]s"},"keys":[{"space":"crm","value":"%[1]s-key"}]}`, canary, appid)
	}
	s.json("logins", login(appid)).wantCounts(t, 202, 1, 0, 0)
	s.json("logins", login(appid)).wantCounts(t, 202, 0, 1, 0)
	s.json("logins", login(canary+"wx")).wantCounts(t, 422, 0, 0, 1)
	s.json("logins", strings.Replace(login(appid), `"crm"`, `"\u0000`+canary+`"`, 1)).wantCounts(t, 422, 0, 0, 1)
	s.json("purchases", purchaseJSON("openid", `"`+canary+`"`, "currency", `"`+canary+`"`)).wantCounts(t, 422, 0, 0, 1)
	s.json("logins", canary).wantProblem(t, 400, ProblemJSON)
	s.json("logins", login(appid), "Authorization", "Bearer "+canary).wantProblem(t, 401, ProblemUnauthorized)
	s.json("logins", login(appid), "Content-Encoding", canary).wantProblem(t, 415, ProblemMediaType)
	s.committer.nc.Close()
	s.json("logins", login(appid)).wantProblem(t, 503, ProblemUnavailable)
	s.json("logins", "["+login(appid)+","+loginJSON("x")+"]").wantProblem(t, 503, ProblemUnavailable)

	families, err := s.registry.Gather()
	must(t, err)
	metrics := fmt.Sprint(families)
	if !strings.Contains(s.logs.String(), "events not stored") || !strings.Contains(metrics, "unionlink_ingest_rejected_total") {
		t.Fatal("there is nothing to look at")
	}
	for name, text := range map[string]string{"the log": s.logs.String(), "the metrics": metrics} {
		for _, secret := range []string{canary, secretKey, appid} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s:\n%s", secret, name, text)
			}
		}
	}
}

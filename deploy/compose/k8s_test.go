package compose

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// manifest is what matters here of a Kubernetes object.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		// Selector is a Service's, or a Deployment's with matchLabels.
		Selector       map[string]any
		ScaleTargetRef struct{ Kind, Name string } `yaml:"scaleTargetRef"`
		PodSelector    struct {
			MatchLabels      map[string]string `yaml:"matchLabels"`
			MatchExpressions []struct {
				Key, Operator string
				Values        []string
			} `yaml:"matchExpressions"`
		} `yaml:"podSelector"`
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				ServiceAccountName string `yaml:"serviceAccountName"`
				Containers         []container
			}
		}
	}
}

type container struct {
	Name string
	Args []string
	Env  []struct {
		Name      string
		ValueFrom struct {
			SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	StartupProbe   probe `yaml:"startupProbe"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// manifests reads every object, and the text of all files.
func manifests(t *testing.T) (all []manifest, text string) {
	t.Helper()
	names, err := filepath.Glob("../k8s/*.yaml")
	if err != nil || len(names) < 6 {
		t.Fatalf("%d files of manifests found, %v", len(names), err)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text += string(file)
		decoder := yaml.NewDecoder(bytes.NewReader(file))
		for {
			var m manifest
			err := decoder.Decode(&m)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all = append(all, m)
		}
	}
	return all, text
}

// ofKind are the objects of some kinds.
func ofKind(all []manifest, kinds string) []manifest {
	var found []manifest
	for _, m := range all {
		if strings.Contains(" "+kinds+" ", " "+m.Kind+" ") {
			found = append(found, m)
		}
	}
	return found
}

// secretValue is a stand-in that its reader takes.
func secretValue(key string) string {
	switch key {
	case "nats-url":
		return "nats://unionlink:p@nats:4222"
	case "clickhouse-dsn", "clickhouse-analyst-dsn":
		return "clickhouse://u:p@clickhouse:9000/unionlink"
	}
	return strings.Repeat("s", 40)
}

func TestKubernetesPartsAreAccepted(t *testing.T) {
	all, text := manifests(t)
	config := filepath.Join(t.TempDir(), "unionlink.yaml")
	if err := os.WriteFile(config, []byte(ofKind(all, "ConfigMap")[0].Data["unionlink.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	workloads := ofKind(all, "Deployment Job")
	if len(workloads) != 4 {
		t.Errorf("%d workloads, want migrate, ingest, linker and api", len(workloads))
	}
	for _, m := range workloads {
		t.Run(m.Metadata.Name, func(t *testing.T) {
			c, env := m.Spec.Template.Spec.Containers[0], map[string]string{}
			for _, e := range c.Env {
				ref := e.ValueFrom.SecretKeyRef
				if ref.Name != "unionlink" || !strings.Contains(text, "--from-literal="+ref.Key+"=") {
					t.Errorf("%s: nobody makes the secret %s, key %s", e.Name, ref.Name, ref.Key)
				}
				env[e.Name] = secretValue(ref.Key)
			}
			accepts(t, c.Args, env, config)
			if _, knows := env["UNIONLINK_CLICKHOUSE_DSN"]; knows && m.Metadata.Name == "ingest" {
				t.Error("ingest is told of ClickHouse")
			}
			if m.Kind == "Deployment" && (c.LivenessProbe.HTTPGet.Path != "/livez" || c.StartupProbe.HTTPGet.Path != "/livez" || c.ReadinessProbe.HTTPGet.Path != "/readyz") {
				t.Error("probes ask other routes than /livez and /readyz")
			}
		})
	}
}

func TestKubernetesObjectsFindEachOther(t *testing.T) {
	all, _ := manifests(t)
	labels := map[string]map[string]string{} // of pods, by workload
	for _, m := range ofKind(all, "Deployment Job") {
		labels[m.Metadata.Name] = m.Spec.Template.Metadata.Labels
		if account := m.Spec.Template.Spec.ServiceAccountName; ofKind(all, "ServiceAccount")[0].Metadata.Name != account {
			t.Errorf("%s: there is no service account %q", m.Metadata.Name, account)
		}
	}
	for _, m := range ofKind(all, "Deployment Service PodDisruptionBudget") {
		want := m.Spec.Selector
		if inner, ok := want["matchLabels"].(map[string]any); ok {
			want = inner
		}
		if len(want) == 0 {
			t.Errorf("%s %s selects everything", m.Kind, m.Metadata.Name)
		}
		for key, value := range want {
			if labels[m.Metadata.Name][key] != value {
				t.Errorf("%s %s wants the label %s=%v, which its pods have not", m.Kind, m.Metadata.Name, key, value)
			}
		}
	}
	for _, m := range ofKind(all, "HorizontalPodAutoscaler") {
		if ref := m.Spec.ScaleTargetRef; ref.Kind != "Deployment" || labels[ref.Name] == nil {
			t.Errorf("there is no %s %s to scale", ref.Kind, ref.Name)
		}
	}
	for _, m := range ofKind(all, "NetworkPolicy") {
		for _, e := range m.Spec.PodSelector.MatchExpressions {
			for _, part := range e.Values {
				if e.Key != "part" || labels[part]["part"] != part {
					t.Errorf("network policy %s names %s %q, which no pod has", m.Metadata.Name, e.Key, part)
				}
			}
		}
	}
}

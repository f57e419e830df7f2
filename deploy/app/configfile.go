package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

// EnvPrefix begins the names of environment variables that override the file: the
// path of the key in capitals, joined by _, as in UNIONLINK_NATS_URL. A list or
// mapping is given as YAML.
const EnvPrefix = "UNIONLINK_"

// Load reads the file over the defaults, then the environment over both. An empty path
// reads no file. Unknown keys and wrong types are errors that tell the line.
func Load(path string, lookup func(string) (string, bool)) (Config, error) {
	cfg := Default()
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return cfg, fmt.Errorf("read configuration: %w", err)
		}
		if err := decode(data, &cfg); err != nil {
			return cfg, fmt.Errorf("read configuration %s: %w", path, err)
		}
	}
	return cfg, overlay(reflect.ValueOf(&cfg).Elem(), EnvPrefix, lookup)
}

// decode is strict, and its errors tell line and column without showing the text, which
// may hold a secret. A key without a value leaves the default.
func decode(data []byte, into any) error {
	if err := strict(data, reflect.New(reflect.TypeOf(into).Elem()).Interface()); err != nil {
		return err
	}
	var plain any
	if err := yaml.Unmarshal(data, &plain); err != nil {
		return errors.New(yaml.FormatError(err, false, false))
	}
	plain, pruned := prune(plain)
	if plain == nil {
		return nil
	}
	if pruned {
		var err error
		if data, err = yaml.Marshal(plain); err != nil {
			return fmt.Errorf("leave out keys without a value: %w", err)
		}
	}
	return strict(data, into)
}

func strict(data []byte, into any) error {
	err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(into)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return errors.New(yaml.FormatError(err, false, false))
}

// prune leaves out the keys of mappings that have no value, for which the decoder would
// empty what they name.
func prune(v any) (kept any, pruned bool) {
	mapping, ok := v.(map[string]any)
	if !ok {
		return v, false
	}
	for key, value := range mapping {
		inner, cut := prune(value)
		pruned = pruned || cut
		if mapping[key] = inner; inner == nil {
			delete(mapping, key)
			pruned = true
		}
	}
	return mapping, pruned
}

// overlay sets every field whose variable is there.
func overlay(v reflect.Value, name string, lookup func(string) (string, bool)) error {
	var errs []error
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		field, variable := v.Field(i), name+strings.ToUpper(key)
		text, set := lookup(variable)
		switch {
		case set && field.Kind() == reflect.String:
			field.SetString(text)
		case set && text != "":
			if err := decode([]byte(text), field.Addr().Interface()); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", variable, err))
			}
		}
		if field.Kind() == reflect.Struct {
			errs = append(errs, overlay(field, variable+"_", lookup))
		}
	}
	return errors.Join(errs...)
}

// Masked is the configuration as YAML with every secret blotted out. References to
// secrets stay: they tell where a secret is, not what it is.
func (c Config) Masked() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("copy configuration: %w", err)
	}
	var copied Config
	if err := decode(text, &copied); err != nil {
		return nil, fmt.Errorf("copy configuration: %w", err)
	}
	for _, s := range copied.secrets() {
		*s.value = s.mask(*s.value)
	}
	return yaml.Marshal(copied)
}

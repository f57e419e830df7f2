package openapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// schema describes what encoding/json makes of a type. A named struct becomes a
// component, the parts of a generic one's name are left out of its own.
func (b *builder) schema(t reflect.Type) Schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return Schema{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return Schema{}
	}
	switch t.Kind() {
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Schema{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Schema{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return Schema{"type": "number"}
	case reflect.Pointer:
		return Schema{"anyOf": []any{b.schema(t.Elem()), Schema{"type": "null"}}}
	case reflect.Slice:
		return Schema{"type": "array", "items": b.schema(t.Elem())}
	case reflect.Map:
		return Schema{"type": "object", "additionalProperties": b.schema(t.Elem())}
	case reflect.Struct:
		return b.named(t)
	}
	return Schema{}
}

// named makes a struct a component and refers to it; a generic struct stays in place,
// since its name would hold its package's path.
func (b *builder) named(t reflect.Type) Schema {
	name := t.Name()
	if name == "" || strings.ContainsAny(name, "[/.") {
		return b.object(t)
	}
	if _, done := b.schemas[name]; !done {
		b.schemas[name] = Schema{} // ends a recursion
		b.schemas[name] = b.object(t)
	}
	return Schema{"$ref": "#/components/schemas/" + name}
}

// object lists a struct's fields. Those without omitempty are always there, and no others are.
func (b *builder) object(t reflect.Type) Schema {
	properties, required := Schema{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous || name == "" || name == "-" {
			continue
		}
		field := b.schema(f.Type)
		if enum := f.Tag.Get("enum"); enum != "" {
			field["enum"] = strings.Split(enum, ",")
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			field["description"] = doc
		}
		properties[name] = field
		if options != "omitempty" && options != "omitzero" {
			required = append(required, name)
		}
	}
	return Schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

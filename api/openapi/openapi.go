// Package openapi makes an OpenAPI 3.1 document from a table of operations and the Go
// types of their bodies and answers, so that what is documented is what is served.
//
// Source: https://spec.openapis.org/oas/v3.1.0; schemas are JSON Schema 2020-12.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Schema is a JSON Schema.
type Schema map[string]any

// Param is a query parameter of an operation.
type Param struct {
	Name, Doc string
	Schema    Schema
	// Repeat says that it may be given more than once; Schema is then one value's.
	Repeat bool
}

// Operation is one method of one path.
type Operation struct {
	// Method is GET, POST, PUT or DELETE; Path has its parameters in braces.
	Method, Path string
	// ID is unique; Summary is one sentence; Right is what the caller must be allowed to do.
	ID, Summary, Right string
	// Open says that no token is needed.
	Open   bool
	Params []Param
	// Body is the type of the request's JSON; nil means there is none.
	Body reflect.Type
	// Answers are the types of the successful answers' JSON by status; nil is no content.
	Answers map[int]reflect.Type
	// Media are further media types of the answer with status 200.
	Media []string
}

// Info heads a document.
type Info struct {
	Title, Version, Description string
	// Problem is the type of application/problem+json.
	Problem reflect.Type
}

// Build makes the document, as JSON.
func Build(info Info, ops []Operation) ([]byte, error) {
	b := builder{schemas: map[string]Schema{}}
	problem := b.schema(info.Problem)
	paths := map[string]map[string]any{}
	for _, op := range ops {
		if paths[op.Path] == nil {
			paths[op.Path] = map[string]any{}
		}
		method := strings.ToLower(op.Method)
		if paths[op.Path][method] != nil {
			return nil, fmt.Errorf("build the openapi document: %s %s is there twice", op.Method, op.Path)
		}
		paths[op.Path][method] = b.operation(op, problem)
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": info.Title, "version": info.Version, "description": info.Description},
		"servers": []any{map[string]any{"url": "/"}},
		"paths":   paths,
		"components": map[string]any{
			"schemas": b.schemas,
			"securitySchemes": map[string]any{
				"token":   map[string]any{"type": "http", "scheme": "bearer"},
				"session": map[string]any{"type": "apiKey", "in": "cookie", "name": "unionlink_session"},
			},
		},
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, fmt.Errorf("build the openapi document: %w", err)
	}
	return text, nil
}

type builder struct{ schemas map[string]Schema }

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

func (b *builder) operation(op Operation, problem Schema) map[string]any {
	params := []any{}
	for _, m := range pathParam.FindAllStringSubmatch(op.Path, -1) {
		params = append(params, map[string]any{"name": m[1], "in": "path", "required": true, "schema": Schema{"type": "string", "minLength": 1}})
	}
	for _, p := range op.Params {
		params = append(params, queryParam(p))
	}
	answers := map[string]any{
		"default": map[string]any{"description": "a problem (RFC 9457)", "content": media("application/problem+json", problem)},
	}
	for status, typ := range op.Answers {
		answer := map[string]any{"description": http.StatusText(status)}
		if typ != nil {
			content := media("application/json", b.schema(typ))
			for _, m := range op.Media {
				content[m] = map[string]any{}
			}
			answer["content"] = content
		}
		answers[strconv.Itoa(status)] = answer
	}
	out := map[string]any{
		"operationId": op.ID, "summary": op.Summary, "parameters": params, "responses": answers, "x-unionlink-right": op.Right,
		"security": []any{map[string]any{"token": []any{}}, map[string]any{"session": []any{}}},
	}
	if op.Open {
		out["security"] = []any{}
	}
	if op.Body != nil {
		out["requestBody"] = map[string]any{"required": true, "content": media("application/json", b.schema(op.Body))}
	}
	return out
}

func queryParam(p Param) map[string]any {
	schema := p.Schema
	if p.Repeat {
		schema = Schema{"type": "array", "items": p.Schema}
	}
	return map[string]any{"name": p.Name, "in": "query", "description": p.Doc, "schema": schema, "explode": true}
}

func media(typ string, schema Schema) map[string]any {
	return map[string]any{typ: map[string]any{"schema": schema}}
}

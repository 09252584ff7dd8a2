package parity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// schema is as much of JSON Schema as this check knows. A library for all of it would take four milliseconds of every start of
// vwrap, also of those that check nothing. A keyword that is not known is an error of the manifest, never passed over.
type schema struct {
	never                  bool // the schema false
	types                  []string
	enum                   []any // what it may be; nil is anything
	required               []string
	properties             map[string]*schema
	additional             *schema // for the properties that are not named; nil is anything
	items                  *schema
	pattern                *regexp.Regexp
	minLength, minItems    int
	maxLength, maxItems    int // -1 is no limit
	minimum, maximum       float64
	minExclude, maxExclude float64 // exclusiveMinimum, exclusiveMaximum
	all                    []*schema
}

var schemaTypes = []string{"null", "boolean", "object", "array", "number", "integer", "string"}

func (d *decoder) schema(n *yaml.Node, depth int) *schema {
	s := &schema{maxLength: -1, maxItems: -1, minimum: math.Inf(-1), maximum: math.Inf(1), minExclude: math.Inf(-1), maxExclude: math.Inf(1)}
	d.schemas++
	switch {
	case depth > maxDepth:
		d.fail(n, "json_schema: nested deeper than %d", maxDepth)
		return s
	case d.schemas > maxSchemas:
		if d.schemas == maxSchemas+1 {
			d.fail(n, "too large: more than %d schemas, aliases followed", maxSchemas)
		}
		return s
	case n.Kind == yaml.ScalarNode && n.Tag == "!!bool":
		s.never = n.Value == "false"
		return s
	}
	into := func(field **schema) func(*yaml.Node) {
		return func(n *yaml.Node) { *field = d.schema(n, depth+1) }
	}
	count := func(field *int, word string) func(*yaml.Node) {
		return func(n *yaml.Node) { *field = d.count(n, word) }
	}
	number := func(field *float64, word string) func(*yaml.Node) {
		return func(n *yaml.Node) { *field = d.float(n, word) }
	}
	note := func(*yaml.Node) {}
	d.section(n, "json_schema", map[string]func(*yaml.Node){
		"type": func(n *yaml.Node) {
			for _, word := range d.some(n) {
				s.types = append(s.types, d.choice(word, "type", schemaTypes...))
			}
		},
		"enum":  func(n *yaml.Node) { s.enum = d.values(n) },
		"const": func(n *yaml.Node) { s.enum = []any{d.value(n, 0)} },
		"required": func(n *yaml.Node) {
			for _, word := range d.some(n) {
				s.required = append(s.required, word.Value)
			}
		},
		"properties": func(n *yaml.Node) {
			s.properties = map[string]*schema{}
			d.pairs(n, "properties", func(name, value *yaml.Node) { s.properties[name.Value] = d.schema(value, depth+1) })
		},
		"additionalProperties": into(&s.additional),
		"items":                into(&s.items),
		"allOf": func(n *yaml.Node) {
			for _, item := range d.some(n) {
				s.all = append(s.all, d.schema(item, depth+1))
			}
		},
		"pattern":   func(n *yaml.Node) { s.pattern = d.pattern(n, "pattern") },
		"minLength": count(&s.minLength, "minLength"), "maxLength": count(&s.maxLength, "maxLength"),
		"minItems": count(&s.minItems, "minItems"), "maxItems": count(&s.maxItems, "maxItems"),
		"minimum": number(&s.minimum, "minimum"), "maximum": number(&s.maximum, "maximum"),
		"exclusiveMinimum": number(&s.minExclude, "exclusiveMinimum"), "exclusiveMaximum": number(&s.maxExclude, "exclusiveMaximum"),
		"$schema": note, "$id": note, "$comment": note, "title": note, "description": note, "default": note, "examples": note, "deprecated": note,
	})
	return s
}

// some are the items of a list; what is no list is one item.
func (d *decoder) some(n *yaml.Node) (all []*yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	for _, item := range n.Content {
		if !d.visit(item) {
			break
		}
		all = append(all, deref(item))
	}
	return all
}

func (d *decoder) float(n *yaml.Node, where string) float64 {
	f, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(f) {
		d.fail(n, "%s: want a number, got %s", where, kindOf(n))
	}
	return f
}

func (d *decoder) values(n *yaml.Node) []any {
	all := []any{}
	for _, item := range d.some(n) {
		all = append(all, d.value(item, 0))
	}
	return all
}

// value is what JSON would decode to.
func (d *decoder) value(n *yaml.Node, depth int) any {
	n = deref(n)
	switch {
	case depth > maxDepth || !d.visit(n):
		return nil
	case n.Kind == yaml.MappingNode:
		object := map[string]any{}
		d.pairs(n, "json_schema", func(name, value *yaml.Node) { object[name.Value] = d.value(value, depth+1) })
		return object
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, d.value(item, depth+1))
		}
		return list
	case n.Tag == "!!null":
		return nil
	case n.Tag == "!!bool":
		return n.Value == "true"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return json.Number(n.Value)
	}
	return n.Value
}

// document decodes JSON, one value and nothing after it.
func document(text []byte) (value any, ok bool) {
	reader := json.NewDecoder(bytes.NewReader(text))
	reader.UseNumber()
	if reader.Decode(&value) != nil {
		return nil, false
	}
	_, err := reader.Token()
	return value, errors.Is(err, io.EOF)
}

// allowsRaw reports whether a value of a secret satisfies s. Vault's command line writes texts alone, so that one is taken for
// the object or the list that it spells; one that spells anything else may be that, or a text.
func (s *schema) allowsRaw(raw json.RawMessage) bool {
	value, ok := document(raw)
	text, isText := value.(string)
	if !ok || !isText {
		return ok && s.allows(value)
	}
	spelled, ok := document([]byte(text))
	switch spelled.(type) {
	case map[string]any, []any:
		if ok {
			return s.allows(spelled)
		}
	}
	return s.allows(text) || ok && s.allows(spelled)
}

// allows reports whether value, which document decoded, satisfies s.
func (s *schema) allows(value any) bool {
	if s.never || len(s.types) > 0 && !slices.ContainsFunc(s.types, func(t string) bool { return isType(value, t) }) {
		return false
	}
	if s.enum != nil && !slices.ContainsFunc(s.enum, func(one any) bool { return same(one, value) }) {
		return false
	}
	for _, other := range s.all {
		if !other.allows(value) {
			return false
		}
	}
	switch value := value.(type) {
	case string:
		n := utf8.RuneCountInString(value)
		return n >= s.minLength && (s.maxLength < 0 || n <= s.maxLength) && (s.pattern == nil || s.pattern.MatchString(value))
	case json.Number:
		f, _ := value.Float64() // beyond its range it is infinite
		return f >= s.minimum && f <= s.maximum && (f > s.minExclude || math.IsInf(s.minExclude, -1)) && (f < s.maxExclude || math.IsInf(s.maxExclude, 1))
	case []any:
		return len(value) >= s.minItems && (s.maxItems < 0 || len(value) <= s.maxItems) &&
			!slices.ContainsFunc(value, func(item any) bool { return s.items != nil && !s.items.allows(item) })
	case map[string]any:
		return s.allowsObject(value)
	}
	return true
}

func (s *schema) allowsObject(object map[string]any) bool {
	for _, name := range s.required {
		if _, ok := object[name]; !ok {
			return false
		}
	}
	for name, value := range object {
		property, named := s.properties[name]
		if !named {
			property = s.additional
		}
		if property != nil && !property.allows(value) {
			return false
		}
	}
	return true
}

func isType(value any, t string) bool {
	switch value := value.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case []any:
		return t == "array"
	case map[string]any:
		return t == "object"
	case json.Number:
		f, err := value.Float64()
		return t == "number" || t == "integer" && err == nil && f == math.Trunc(f)
	}
	return false
}

// same reports whether a and b are one JSON value: 1 and 1.0 are.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok || a == b {
			return ok
		}
		if whole(a) && whole(b) {
			return false
		}
		x, errX := a.Float64()
		y, errY := b.Float64()
		return errX == nil && errY == nil && x == y
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if other, ok := b[name]; !ok || !same(a[name], other) {
				return false
			}
		}
		return true
	}
	return a == b
}

// whole reports whether n is written without a point or an exponent: such numbers are compared digit for digit.
func whole(n json.Number) bool {
	_, err := strconv.ParseInt(string(n), 10, 64)
	return err == nil
}

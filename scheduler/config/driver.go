package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/hotspare/hotspare/drivers"
)

// DriverBody checks a cluster's config block against the schema that its driver
// describes, and gives the body for [drivers.Configuration]: a JSON object in which each
// attribute of type "file" holds the content of the file, and each of type "duration" is
// in Go's form. The file of a secret must be one that others cannot read. The error is of
// type [Errors]; it holds no value of the block. The body may hold secrets.
func (l *Loaded) DriverBody(cluster string, schema []drivers.Attribute) (json.RawMessage, error) {
	block, ok := l.configOf(cluster)
	if !ok {
		return nil, fmt.Errorf("read the config block of cluster %q: the site has no such cluster", cluster)
	}
	d := driverBlock{object: block, schema: map[string]drivers.Attribute{}}
	if !block.kind.free {
		d.object = &object{title: block.title, at: block.at} // the cluster has no config block
	}
	for _, a := range schema {
		d.schema[a.Name] = a
	}
	body := d.read()
	if err := d.errs.orNil(); err != nil {
		return nil, err
	}
	return json.Marshal(body)
}

// Placed gives an error of a driver's Configure the place of the attribute that it names,
// as [Errors]. An error of another kind is given back as it is.
func (l *Loaded) Placed(cluster string, err error) error {
	var invalid *drivers.Error
	block, ok := l.configOf(cluster)
	if !ok || !errors.As(err, &invalid) || invalid.Kind != drivers.Invalid || invalid.Cause == nil {
		return err
	}
	at, summary := block.at, invalid.Cause.Error()
	if invalid.Attribute != "" {
		summary = invalid.Attribute + ": " + summary
		if block.kind.free {
			at = block.place(invalid.Attribute)
		}
	}
	var errs Errors
	errs.add(at, block.title, flaw{summary, invalid.Next})
	return errs.orNil()
}

// driverBlock is a config block and the schema to read it by.
type driverBlock struct {
	*object
	schema map[string]drivers.Attribute
	errs   Errors
}

func (d *driverBlock) read() map[string]json.RawMessage {
	body := map[string]json.RawMessage{}
	known := slices.Sorted(maps.Keys(d.schema))
	meant := map[string]bool{}
	for name, v := range d.values {
		if v.read == nil {
			continue // it is wrong whatever the schema says, and was told
		}
		a, ok := d.schema[name]
		if !ok {
			d.errs.add(v.at, d.title, flaw{fmt.Sprintf("the driver knows no attribute %q", name), didYouMean(name, "it knows", known)})
			meant[Nearest(name, known)] = true
			continue
		}
		read, wrong := d.convert(a, v.read.(cty.Value))
		if wrong != nil {
			d.errs.add(v.at, d.title, flaw{name + " " + wrong.summary, wrong.hint})
			continue
		}
		body[name] = read
	}
	for _, name := range known {
		if _, given := d.values[name]; d.schema[name].Required && !given && !meant[name] {
			d.errs.add(d.at, d.title, flaw{name + " is missing", fmt.Sprintf("write %s = …: %s", name, d.schema[name].Help)})
		}
	}
	return body
}

// convert checks one value against its type.
func (d *driverBlock) convert(a drivers.Attribute, v cty.Value) (json.RawMessage, *flaw) {
	switch a.Type {
	case "string":
		return d.convertText(a, v, func(s string) (string, *flaw) { return s, nil })
	case "file":
		return d.convertText(a, v, func(s string) (string, *flaw) { return d.content(a, s) })
	case "duration":
		return d.convertText(a, v, func(s string) (string, *flaw) {
			duration, wrong := parseDuration(s)
			if wrong != nil && a.Secret {
				wrong.summary = "is no duration"
			}
			return duration.String(), wrong
		})
	case "number":
		return asJSON(v, v.Type() == cty.Number, "a number, without quotes")
	case "bool":
		return asJSON(v, v.Type() == cty.Bool, "true or false, without quotes")
	case "list(string)":
		return asTexts(v, v.Type().IsTupleType(), `["a", "b"]`)
	case "map(string)":
		return asTexts(v, v.Type().IsObjectType(), `{ key = "value" }`)
	}
	return nil, &flaw{fmt.Sprintf("has the type %q in the driver's schema, which this version does not know", a.Type), "use a driver and a server of one version"}
}

func (d *driverBlock) convertText(a drivers.Attribute, v cty.Value, convert func(string) (string, *flaw)) (json.RawMessage, *flaw) {
	s, wrong := readString(v, "a text in quotes")
	if wrong == nil && s == "" && a.Required {
		wrong = &flaw{"is empty", "write a text: " + a.Help}
	}
	if wrong == nil {
		s, wrong = convert(s)
	}
	if wrong != nil {
		return nil, wrong
	}
	return asJSON(cty.StringVal(s), true, "")
}

// content reads the file that an attribute names.
func (d *driverBlock) content(a drivers.Attribute, name string) (string, *flaw) {
	if name == "" {
		return "", &flaw{"is empty", "leave the attribute out, or name a file: " + a.Help}
	}
	full := name
	if !filepath.IsAbs(full) {
		full = filepath.Join(d.folder, name)
	}
	read := readFile
	if a.Secret {
		read = readSecret
	}
	content, wrong := read(full)
	if wrong == nil && content == "" {
		wrong = &flaw{"is an empty file", "it is read at " + full}
	}
	if wrong != nil {
		return "", &flaw{fmt.Sprintf("%q %s", name, wrong.summary), wrong.hint}
	}
	return content, nil
}

func asTexts(v cty.Value, fits bool, example string) (json.RawMessage, *flaw) {
	if fits {
		for _, element := range v.AsValueSlice() {
			if _, wrong := readString(element, ""); wrong != nil {
				return nil, &flaw{"holds " + typeName(element), "write it as " + example}
			}
		}
	}
	return asJSON(v, fits, example)
}

func asJSON(v cty.Value, fits bool, example string) (json.RawMessage, *flaw) {
	if !fits {
		return nil, ofType(v, example)
	}
	written, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		return nil, &flaw{"cannot be written as JSON", "write it as " + example}
	}
	return written, nil
}

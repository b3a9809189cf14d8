package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// reader reads bodies against the table and collects what is wrong.
type reader struct {
	errs   *Errors
	folder string // of the file being read
}

// fill reads a body into an object; [reader.finish] then judges the whole.
func (r *reader) fill(o *object, body *hclsyntax.Body) {
	known := map[string]attribute{}
	for _, a := range o.kind.attributesOf(o.variant()) {
		known[a.name] = a
	}
	for _, given := range sortedAttributes(body) {
		a, ok := known[given.Name]
		switch {
		case ok:
			r.attribute(o, given, a.kind)
		case o.kind.free:
			r.freeAttribute(o, given)
		default:
			r.errs.add(given.NameRange, o.title, unknownAttribute(o, given.Name))
			o.meant(given.Name)
		}
	}
	for _, given := range body.Blocks {
		r.block(o, given)
	}
}

func sortedAttributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	return slices.SortedFunc(maps.Values(body.Attributes), func(a, b *hclsyntax.Attribute) int {
		return cmp.Compare(a.NameRange.Start.Byte, b.NameRange.Start.Byte)
	})
}

func (r *reader) attribute(o *object, given *hclsyntax.Attribute, k kind) {
	v, at, wrong := literal(given.Expr)
	var read any
	if wrong != nil && wrong.summary == bareWord && at == given.Expr.Range() && !strings.HasPrefix(k.example, `"`) {
		wrong.hint = fmt.Sprintf("write a %s, such as %s", k.name, k.example)
	}
	if wrong == nil {
		at = given.NameRange
		if read, wrong = k.read(v); wrong != nil {
			at, read = given.Expr.Range(), nil
		}
	}
	if wrong != nil {
		r.errs.add(at, o.title, flaw{given.Name + " " + wrong.summary, wrong.hint})
	}
	o.values[given.Name] = value{read, given.NameRange}
}

// freeAttribute keeps the value as it is, for whoever knows the schema.
func (r *reader) freeAttribute(o *object, given *hclsyntax.Attribute) {
	v, at, wrong := literal(given.Expr)
	if wrong == nil && v.IsNull() {
		at, wrong = given.Expr.Range(), &flaw{"is null", "leave the attribute out"}
	}
	if wrong != nil {
		r.errs.add(at, o.title, flaw{given.Name + " " + wrong.summary, wrong.hint})
		o.values[given.Name] = value{nil, given.NameRange}
		return
	}
	o.values[given.Name] = value{v, given.NameRange}
}

func unknownAttribute(o *object, name string) flaw {
	if b := o.kind.child(name); b != nil {
		return flaw{fmt.Sprintf("%s is a block, not an attribute", name), fmt.Sprintf("write %s { … }, without =", b.header())}
	}
	if v := o.kind.variantWith(name); v != "" {
		return flaw{fmt.Sprintf("attribute %q belongs to %s %q", name, o.kind.word, v), didYouMean("", "it has", o.kind.words(o.variant()))}
	}
	return flaw{fmt.Sprintf("unknown attribute %q", name), didYouMean(name, "known here", o.kind.words(o.variant()))}
}

func (r *reader) block(parent *object, given *hclsyntax.Block) {
	kind := parent.kind.child(given.Type)
	if kind == nil {
		r.errs.add(given.TypeRange, parent.title, unknownBlock(parent, given.Type))
		parent.meant(given.Type)
		return
	}
	o := &object{
		kind: kind, labels: given.Labels, title: titleOf(parent, given.Type, given.Labels),
		at: given.TypeRange, folder: r.folder, values: map[string]value{}, blocks: map[string][]*object{},
	}
	if !r.labels(o, given) {
		parent.meant(given.Type)
		return
	}
	r.fill(o, given.Body)
	r.finish(o)
	parent.blocks[given.Type] = append(parent.blocks[given.Type], o)
}

func unknownBlock(parent *object, word string) flaw {
	if parent.kind.free {
		return flaw{fmt.Sprintf("%s is a block, and a driver's block holds attributes only", word), fmt.Sprintf("write %s = …", word)}
	}
	for _, a := range parent.kind.attributesOf(parent.variant()) {
		if a.name == word {
			return flaw{fmt.Sprintf("%s is an attribute, not a block", word), fmt.Sprintf("write %s = %s", word, a.kind.example)}
		}
	}
	return flaw{fmt.Sprintf("unknown block %q", word), didYouMean(word, "known here", parent.kind.words(parent.variant()))}
}

// labels judges the labels of a block. It reports false where they leave unclear what the
// block is.
func (r *reader) labels(o *object, given *hclsyntax.Block) bool {
	if len(given.Labels) != len(o.kind.labels) {
		r.errs.add(o.at, o.title, flaw{
			fmt.Sprintf("has %d labels, and needs %d", len(given.Labels), len(o.kind.labels)),
			fmt.Sprintf("write %s { … }", o.kind.header()),
		})
		return false
	}
	for i, l := range o.kind.labels {
		if l.check == nil {
			names := o.kind.variantNames()
			if !slices.Contains(names, o.labels[i]) {
				r.errs.add(given.LabelRanges[i], o.title, flaw{fmt.Sprintf("unknown kind %q", o.labels[i]), didYouMean(o.labels[i], "kinds", names)})
				return false
			}
		} else if wrong := l.check(o.labels[i]); wrong != nil {
			r.errs.add(given.LabelRanges[i], o.title, flaw{"its " + strings.ToLower(l.word) + " " + wrong.summary, wrong.hint})
		}
	}
	return true
}

// finish judges an object as a whole: what is missing, what is there twice. Defaults are
// filled in.
func (r *reader) finish(o *object) {
	for _, a := range o.kind.attributesOf(o.variant()) {
		if _, given := o.values[a.name]; a.required && !given && !o.tried[a.name] {
			r.errs.add(o.at, o.title, flaw{fmt.Sprintf("%s is missing", a.name), fmt.Sprintf("write %s = %s: %s", a.name, a.kind.example, a.help)})
		}
	}
	o.fillDefaults()
	for _, b := range o.kind.blocks {
		r.count(o, b)
	}
}

func (r *reader) count(parent *object, b *block) {
	all := parent.blocks[b.word]
	if b.required && len(all) == 0 && !parent.tried[b.word] {
		r.errs.add(parent.at, parent.title, flaw{fmt.Sprintf("there is no %s block", b.word), fmt.Sprintf("write %s { … }: %s", b.header(), b.help)})
	}
	first := map[string]*object{}
	for _, o := range all {
		key := strings.Join(o.labels, "\x00")
		if b.once {
			key = ""
		}
		before := first[key]
		switch {
		case before == nil:
			first[key] = o
		case b.once:
			r.errs.add(o.at, o.title, flaw{fmt.Sprintf("there is a second %s block", b.word), "the first is at " + place(before.at)})
		default:
			r.errs.add(o.at, o.title, flaw{"the " + strings.ToLower(b.labels[len(b.labels)-1].word) + " is taken", "the first is at " + place(before.at)})
		}
	}
}

func (o *object) fillDefaults() {
	for _, a := range o.kind.attributesOf(o.variant()) {
		if _, given := o.values[a.name]; given || a.fallback == "" {
			continue
		}
		expression, diagnostics := hclsyntax.ParseExpression([]byte(a.fallback), "", hcl.InitialPos)
		if diagnostics.HasErrors() {
			continue // a test holds that every default can be read
		}
		if v, _, wrong := literal(expression); wrong == nil {
			if read, wrong := a.kind.read(v); wrong == nil {
				o.values[a.name] = value{read: read}
			}
		}
	}
}

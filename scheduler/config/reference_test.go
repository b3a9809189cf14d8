package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const referenceFile = "../../configs/README.md"

// row writes one line of the reference.
func row(cells ...string) string {
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// rows writes what may stand in a block, and in the blocks in it.
func rows(b *block, title string) string {
	often := "any number"
	switch {
	case b.once && b.required:
		often = "once"
	case b.once:
		often = "at most once"
	case b.required:
		often = "at least once"
	}
	text := row("`"+title+"`", "", "block", often, b.help)
	write := func(title string, all []attribute) {
		for _, a := range all {
			fallback := "none"
			switch {
			case a.required:
				fallback = "required"
			case a.fallback != "":
				fallback = "`" + a.fallback + "`"
			}
			name := a.kind.name
			if name == a.kind.example {
				name = "`" + name + "`"
			} else if a.kind.example != `"…"` {
				name += ": `" + a.kind.example + "`"
			}
			text += row("`"+title+"`", "`"+a.name+"`", name, fallback, a.help)
		}
	}
	write(title, b.attributes)
	for _, v := range b.variants {
		write(strings.Replace(title, `"KIND"`, `"`+v.name+`"`, 1), v.attributes)
	}
	for _, c := range b.blocks {
		text += rows(c, title+" › "+c.header())
	}
	return text
}

func TestTheReferenceListsEveryAttribute(t *testing.T) {
	const begin, end = "<!-- reference: written by go test ./scheduler/config -update -->\n", "<!-- end of the reference -->\n"
	content, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the reference", referenceFile)
	}
	table := row("block", "attribute", "type", "default", "meaning") + row("---", "---", "---", "---", "---")
	for _, b := range fileBlock.blocks {
		table += rows(b, b.header())
	}
	golden(t, referenceFile, before+begin+"\n"+table+"\n"+end+after)
}

// everyBlock calls visit for each block of the table.
func everyBlock(b *block, visit func(*block)) {
	visit(b)
	for _, c := range b.blocks {
		everyBlock(c, visit)
	}
}

func TestEveryDefaultCanBeRead(t *testing.T) {
	everyBlock(fileBlock, func(b *block) {
		variants := append([]string{""}, b.variantNames()...)
		for _, variant := range variants {
			for _, a := range b.attributesOf(variant) {
				if a.help == "" {
					t.Errorf("%s of %s has no help", a.name, b.word)
				}
				if a.required && a.fallback != "" {
					t.Errorf("%s of %s is required and has a default", a.name, b.word)
				}
				o := &object{kind: b, labels: []string{variant}, values: map[string]value{}}
				o.fillDefaults()
				if o.has(a.name) != (a.fallback != "") {
					t.Errorf("%s of %s: the default %q cannot be read", a.name, b.word, a.fallback)
				}
			}
		}
	})
}

// A hint may be typed in as it stands: the example of a kind is right.
func TestEveryExampleIsRight(t *testing.T) {
	everyBlock(fileBlock, func(b *block) {
		for _, variant := range append([]string{""}, b.variantNames()...) {
			for _, a := range b.attributesOf(variant) {
				for example := range strings.SplitSeq(a.kind.example, " or ") {
					expression, diagnostics := hclsyntax.ParseExpression([]byte(example), "", hcl.InitialPos)
					if diagnostics.HasErrors() {
						t.Fatalf("%s: %v", example, diagnostics)
					}
					v, _, wrong := literal(expression)
					if wrong == nil {
						_, wrong = a.kind.read(v)
					}
					if wrong != nil {
						t.Errorf("%s of %s: the example %s %s", a.name, b.word, example, wrong.summary)
					}
				}
			}
		}
	})
}

// The blocks of the reference are the ones that the test sites use: nothing is known that
// no test writes.
func TestTheWrongSitesTryEveryBlock(t *testing.T) {
	content, err := os.ReadFile("testdata/site.hcl")
	if err != nil {
		t.Fatal(err)
	}
	everyBlock(fileBlock, func(b *block) {
		if b != fileBlock && !strings.Contains(string(content), b.word+" ") {
			t.Errorf("testdata/site.hcl has no %s block", b.word)
		}
		for _, v := range b.variants {
			if want := fmt.Sprintf("%s %q", b.word, v.name); !strings.Contains(string(content), want) {
				t.Errorf("testdata/site.hcl has no %s", want)
			}
		}
	})
}

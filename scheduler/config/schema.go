package config

import "fmt"

// block says what a block may hold.
type block struct {
	word     string
	labels   []label
	once     bool // at most one in its parent
	required bool // at least one in its parent
	help     string

	attributes []attribute
	blocks     []*block
	// variants, where the first label is the kind of the block and decides which
	// attributes there are besides.
	variants []variant
	// free: any attribute, since somebody else knows the schema.
	free bool
}

// label is one label of a block.
type label struct {
	word  string // as the reference shows it: NAME
	check func(string) *flaw
}

// variant is one kind of a block.
type variant struct {
	name       string
	attributes []attribute
}

// attribute is one attribute of a block.
type attribute struct {
	name     string
	kind     kind
	required bool
	fallback string // as it would be written in the file; empty: none
	help     string
}

// attributesOf lists the attributes of a block of this variant; "" for blocks without.
func (b *block) attributesOf(variantName string) []attribute {
	all := b.attributes
	for _, v := range b.variants {
		if v.name == variantName {
			all = append(all[:len(all):len(all)], v.attributes...)
		}
	}
	return all
}

// variantWith names a variant that has the attribute; "" where none has.
func (b *block) variantWith(attributeName string) string {
	for _, v := range b.variants {
		for _, a := range v.attributes {
			if a.name == attributeName {
				return v.name
			}
		}
	}
	return ""
}

func (b *block) variantNames() []string {
	var names []string
	for _, v := range b.variants {
		names = append(names, v.name)
	}
	return names
}

// child finds the block that may stand in this one under the word; nil where none may.
func (b *block) child(word string) *block {
	for _, c := range b.blocks {
		if c.word == word {
			return c
		}
	}
	return nil
}

// words lists every name that may stand in the block.
func (b *block) words(variantName string) []string {
	var all []string
	for _, a := range b.attributesOf(variantName) {
		all = append(all, a.name)
	}
	for _, c := range b.blocks {
		all = append(all, c.word)
	}
	return all
}

// header shows how the block begins: vm "NAME".
func (b *block) header() string {
	text := b.word
	for _, l := range b.labels {
		text += fmt.Sprintf(" %q", l.word)
	}
	return text
}

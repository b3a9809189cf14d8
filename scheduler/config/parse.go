package config

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limits on what is read: the parser works by recursion.
const (
	largestFile = 1 << 20 // bytes
	deepest     = 100     // brackets and operators inside of each other
)

// source is one file's content.
type source struct {
	path    string // as it is shown
	folder  string // absolute; relative paths in the file start here
	content []byte
}

// parse reads the syntax of one file. The body is nil where the rest of the file cannot
// be judged.
func parse(s source, errs *Errors) *hclsyntax.Body {
	start := hcl.Range{Filename: s.path, Start: hcl.InitialPos, End: hcl.InitialPos}
	if len(s.content) > largestFile {
		errs.add(start, "", flaw{fmt.Sprintf("the file has %d bytes", len(s.content)), fmt.Sprintf("write %d at most; a folder may hold many files", largestFile)})
		return nil
	}
	if at := tooDeep(s); at != nil {
		errs.add(*at, "", flaw{fmt.Sprintf("more than %d brackets or operators lie inside of each other", deepest), "take some away"})
		return nil
	}
	file, diagnostics := hclsyntax.ParseConfig(s.content, s.path, hcl.InitialPos)
	broken, split := false, false
	for _, d := range diagnostics {
		if d.Summary == "Invalid multi-line string" {
			if split {
				continue // a quote that is not closed makes one of each line that follows
			}
			split = true
		}
		if f := setTwice(d); f != nil && d.Subject != nil {
			errs.add(*d.Subject, "", *f)
			continue
		}
		errs.addDiagnostics(s.path, "", hcl.Diagnostics{d})
		broken = broken || d.Severity == hcl.DiagError
	}
	if broken || file == nil {
		return nil
	}
	body, _ := file.Body.(*hclsyntax.Body)
	return body
}

var setTwiceForm = regexp.MustCompile(`(?s)^The argument ("\w.*") was already set at (.*):(\d+),(\d+)-[\d,]+\. `)

// setTwice rewrites the parser's word on an attribute that is set twice, the one mistake
// of syntax that leaves the rest of the file readable; nil for any other.
func setTwice(d *hcl.Diagnostic) *flaw {
	m := setTwiceForm.FindStringSubmatch(d.Detail)
	if m == nil {
		return nil
	}
	return &flaw{"attribute " + m[1] + " is set twice", fmt.Sprintf("the first is at %s:%s:%s", m[2], m[3], m[4])}
}

// tooDeep finds where brackets and operators lie too deep inside of each other; nil where
// they do not.
func tooDeep(s source) *hcl.Range {
	tokens, _ := hclsyntax.LexConfig(s.content, s.path, hcl.InitialPos)
	var open []hclsyntax.TokenType
	operators := 0 // of the expression that is not at its end
	for i, t := range tokens {
		switch {
		case opens[t.Type]:
			open = append(open, t.Type)
		case closes[t.Type]:
			open = open[:max(0, len(open)-1)]
		case t.Type == hclsyntax.TokenComma:
			operators = 0
		case t.Type == hclsyntax.TokenNewline, t.Type == hclsyntax.TokenComment && bytes.HasSuffix(t.Bytes, []byte("\n")):
			// In parentheses and lists a line's end ends nothing.
			if len(open) == 0 || open[len(open)-1] == hclsyntax.TokenOBrace {
				operators = 0
			}
		case !plain[t.Type]:
			operators++
		}
		if len(open)+operators > deepest {
			return &tokens[i].Range
		}
	}
	return nil
}

var (
	opens = map[hclsyntax.TokenType]bool{
		hclsyntax.TokenOBrace: true, hclsyntax.TokenOBrack: true, hclsyntax.TokenOParen: true, hclsyntax.TokenOQuote: true,
		hclsyntax.TokenOHeredoc: true, hclsyntax.TokenTemplateInterp: true, hclsyntax.TokenTemplateControl: true,
	}
	closes = map[hclsyntax.TokenType]bool{
		hclsyntax.TokenCBrace: true, hclsyntax.TokenCBrack: true, hclsyntax.TokenCParen: true, hclsyntax.TokenCQuote: true,
		hclsyntax.TokenCHeredoc: true, hclsyntax.TokenTemplateSeqEnd: true,
	}
	// plain are the other tokens that put nothing inside of anything.
	plain = map[hclsyntax.TokenType]bool{
		hclsyntax.TokenIdent: true, hclsyntax.TokenNumberLit: true, hclsyntax.TokenStringLit: true, hclsyntax.TokenQuotedLit: true,
		hclsyntax.TokenEqual: true, hclsyntax.TokenComment: true, hclsyntax.TokenEOF: true,
	}
)

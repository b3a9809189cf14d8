package config

import (
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
	open, operators := 0, 0
	for i := range tokens {
		switch tokens[i].Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			open++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			open = max(0, open-1)
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion, hclsyntax.TokenPlus,
			hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenAnd, hclsyntax.TokenOr,
			hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenGreaterThan,
			hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenDot, hclsyntax.TokenColon:
			operators++
		case hclsyntax.TokenNewline, hclsyntax.TokenComma, hclsyntax.TokenComment:
			operators = 0
			if open == 0 {
				continue
			}
		}
		if open+operators > deepest {
			return &tokens[i].Range
		}
	}
	return nil
}

package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// bareWord says that a text stands without quotes.
const bareWord = "is a bare word"

// literal evaluates an expression that holds nothing to compute: a site's files mean the
// same wherever they are read.
func literal(expression hclsyntax.Expression) (cty.Value, hcl.Range, *flaw) {
	if at, wrong := computed(expression); wrong != nil {
		return cty.NilVal, at, wrong
	}
	v, diagnostics := expression.Value(nil)
	if diagnostics.HasErrors() || !v.IsWhollyKnown() {
		return cty.NilVal, expression.Range(), &flaw{"is no value", "write a text, a number, true, false, a list or a map"}
	}
	return v, expression.Range(), nil
}

// computed finds the first part of an expression that is not literal; nil where there is
// none.
func computed(expression hclsyntax.Expression) (hcl.Range, *flaw) {
	switch e := expression.(type) {
	case *hclsyntax.LiteralValueExpr:
		return hcl.Range{}, nil
	case *hclsyntax.ParenthesesExpr:
		return computed(e.Expression)
	case *hclsyntax.UnaryOpExpr:
		if e.Op == hclsyntax.OpNegate {
			if n, ok := e.Val.(*hclsyntax.LiteralValueExpr); ok && n.Val.Type() == cty.Number {
				return hcl.Range{}, nil
			}
		}
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			if _, ok := part.(*hclsyntax.LiteralValueExpr); !ok {
				return part.Range(), &flaw{"holds a ${…} or %{…}, and values are not computed", "write $${ or %%{ where the letters themselves are meant"}
			}
		}
		return hcl.Range{}, nil
	case *hclsyntax.TemplateWrapExpr:
		return e.SrcRange, &flaw{"holds a ${…} or %{…}, and values are not computed", "write $${ or %%{ where the letters themselves are meant"}
	case *hclsyntax.TupleConsExpr:
		for _, element := range e.Exprs {
			if at, wrong := computed(element); wrong != nil {
				return at, wrong
			}
		}
		return hcl.Range{}, nil
	case *hclsyntax.ObjectConsExpr:
		return computedMap(e)
	case *hclsyntax.ScopeTraversalExpr:
		if len(e.Traversal) == 1 { // the word is not repeated: it may be a secret
			return e.Range(), &flaw{bareWord, "write it in quotes"}
		}
	}
	return expression.Range(), &flaw{"is computed, and values are not computed here", "write the value itself"}
}

func computedMap(e *hclsyntax.ObjectConsExpr) (hcl.Range, *flaw) {
	seen := map[string]bool{}
	for _, item := range e.Items {
		key, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr)
		if !ok {
			return item.KeyExpr.Range(), &flaw{"has a computed key", "write the key as a word or a text"}
		}
		name := ""
		if !key.ForceNonLiteral {
			name = hcl.ExprAsKeyword(key.Wrapped)
		}
		if name == "" {
			if _, wrong := computed(key.Wrapped); wrong != nil {
				return key.Range(), &flaw{"has a computed key", "write the key as a word or a text"}
			}
			v, diagnostics := key.Wrapped.Value(nil)
			if diagnostics.HasErrors() || v.IsNull() || v.Type() != cty.String {
				return key.Range(), &flaw{"has a key that is no text", "write the key as a word or a text"}
			}
			name = v.AsString()
		}
		if seen[name] {
			return key.Range(), &flaw{fmt.Sprintf("has the key %q twice", name), "take one of them out"}
		}
		seen[name] = true
		if at, wrong := computed(item.ValueExpr); wrong != nil {
			return at, wrong
		}
	}
	return hcl.Range{}, nil
}

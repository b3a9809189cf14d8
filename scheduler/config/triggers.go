package config

import (
	"fmt"
	"strings"

	"github.com/hotspare/hotspare/scheduler"
)

func (b *builder) triggers() []scheduler.Trigger {
	var all []scheduler.Trigger
	for _, o := range b.root.blocks["trigger"] {
		all = append(all, scheduler.Trigger{
			Kind: o.variant(), Name: o.name(), Token: b.token(o),
			GroupLabel: o.text("group_label"), Starts: scheduler.Verb(o.text("starts")),
		})
	}
	return all
}

// token reads the secret of a trigger.
func (b *builder) token(o *object) string {
	if !o.has("token_file") {
		return ""
	}
	content, wrong := readSecret(absolute(o, "token_file"))
	token := strings.Trim(content, "\r\n")
	switch {
	case wrong != nil:
	case token == "":
		wrong = &flaw{"is an empty file", "write the token into it, on one line"}
	case strings.ContainsAny(token, " \t\r\n"):
		wrong = &flaw{"is a file with more than one word", "write the token alone into it, on one line"}
	}
	if wrong != nil {
		b.wrong(o, "token_file", fmt.Sprintf("token_file %q %s", o.text("token_file"), wrong.summary), wrong.hint)
		return ""
	}
	return token
}

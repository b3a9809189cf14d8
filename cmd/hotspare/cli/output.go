package cli

import (
	"encoding/json"
	"errors"
	"strings"
)

// outputFormat is the value of --output.
type outputFormat string

const (
	outputTable outputFormat = "table"
	outputJSON  outputFormat = "json"
)

// String, Set and Type make it a flag.
func (f *outputFormat) String() string { return string(*f) }

// Set takes "table" or "json".
func (f *outputFormat) Set(text string) error {
	switch outputFormat(text) {
	case outputTable, outputJSON:
		*f = outputFormat(text)
		return nil
	}
	return errors.New(f.Takes())
}

// Takes says what may be written.
func (f *outputFormat) Takes() string { return "table or json" }

// Type names the kind of value in help texts.
func (f *outputFormat) Type() string { return "table|json" }

// json writes an answer as the API gave it, indented.
func (a *app) json(answer any) error {
	e := json.NewEncoder(a.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// outputOf finds --output on a command line that may have been too wrong to be parsed.
func (a *app) outputOf(args []string) outputFormat {
	for i, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		switch {
		case name == "--":
			return a.output
		case strings.HasPrefix(arg, "-ojson"):
			return outputJSON
		case name != "--output" && name != "-o":
			continue
		case !given && i+1 < len(args):
			value = args[i+1]
		}
		if value == string(outputJSON) {
			return outputJSON
		}
	}
	return a.output
}

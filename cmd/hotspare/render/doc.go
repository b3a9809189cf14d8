// Package render writes what people read: tables, plans, runs and the progress of a run.
// It is pure but for the writer: what it shows comes in as the types of the API, and so
// does the time that ages are counted from.
package render

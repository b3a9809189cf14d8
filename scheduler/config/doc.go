// Package config reads the files of a site into a [scheduler.Site].
//
// The files are HCL with literal values only. What a file may hold stands in one table,
// the blocks of reference.go: the reader, its hints and the reference in
// configs/README.md all come from it. Reading goes in three steps:
//
//   - each file is parsed, and its blocks are read against the table (object.go);
//   - names are resolved and what must hold between blocks is checked (site.go,
//     networks.go, groups.go, vms.go, templates.go, triggers.go);
//   - a driver's own block is checked against the schema that the driver describes,
//     later, by [Loaded.DriverBody] (driver.go), or by [Check] at once (check.go).
//
// All mistakes are reported at once, each with file, line and column, the object and a
// hint. No error holds a secret.
package config

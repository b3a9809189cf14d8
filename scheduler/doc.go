// Package scheduler holds the nouns of hotspare and their states: the site and its
// protection groups, workspaces, holders, stacks of layers, plans, runs.
//
// Everything hotspare does is to set a few properties of things at the site. Each
// property of each target is a stack of [Layer]s: at the bottom the value that was
// found, above it one layer for each holder, newest on top; the site shows the top. See
// [Stacks].
//
// The package does no I/O, knows no clock and imports only the standard library and the
// drivers' contract. Packages place, preempt and plan decide over a [Snapshot] of it;
// package journal makes it durable; package execute brings the site to it.
package scheduler

// Package restorepoint is what drivers share that keep a replica as a folder of disk
// files: the manifest that replication writes, the marker that makes a replica primary,
// the records of the volumes that hang on its restore points, and how their values are
// compared. It is pure: where the files lie, and how they are read and written, is the
// driver's.
package restorepoint

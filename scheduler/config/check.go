package config

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// Drivers are the drivers that a site's files are checked against.
type Drivers struct {
	// Schema gives the schema of a driver's config block; fs.ErrNotExist where that driver is
	// not on this machine.
	Schema func(driver string) ([]drivers.Attribute, error)
	// Known are the names of the drivers that there are, here or elsewhere.
	Known []string
}

// Check reads a site as [Load] does, and each cluster's config block by its driver's schema.
// The error is of type [Errors], and holds every mistake of both. A driver that is not on
// this machine leaves its clusters unchecked; its name is a mistake only where it is near to
// that of a driver that there is, since a machine that checks need not have the drivers.
func Check(path string, d Drivers) (loaded *Loaded, unchecked []string, err error) {
	sources, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	loaded, errs := load(sources)
	if loaded != nil {
		unchecked = loaded.checkDrivers(d, &errs)
	}
	if err := errs.orNil(); err != nil {
		return nil, nil, err
	}
	return loaded, unchecked, nil
}

// checkDrivers checks the config block of every cluster, and names the clusters where it
// could not.
func (l *Loaded) checkDrivers(d Drivers, errs *Errors) (unchecked []string) {
	for i := range l.Site.Clusters {
		cluster := &l.Site.Clusters[i]
		if cluster.Driver == "" {
			continue // it is missing, or wrong
		}
		schema, err := d.Schema(cluster.Driver)
		near := Nearest(cluster.Driver, d.Known)
		switch {
		case err == nil:
			_, err = l.DriverBody(cluster.Name, schema)
			var wrong Errors
			errors.As(err, &wrong)
			*errs = append(*errs, wrong...)
		case !errors.Is(err, fs.ErrNotExist):
			l.wrongDriver(cluster, errs, flaw{fmt.Sprintf("driver %q cannot be asked what its config block may hold: %v", cluster.Driver, err), "put a driver of this version there"})
		case near != "" && near != cluster.Driver:
			l.wrongDriver(cluster, errs, flaw{fmt.Sprintf("there is no driver %q", cluster.Driver), didYouMean(cluster.Driver, "drivers", d.Known)})
		default:
			unchecked = append(unchecked, cluster.Name)
		}
	}
	return unchecked
}

// wrongDriver adds a mistake at the attribute that names a cluster's driver.
func (l *Loaded) wrongDriver(cluster *scheduler.Cluster, errs *Errors, f flaw) {
	o := l.clusters[cluster.Name]
	errs.add(o.place("driver"), o.title, f)
}

package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Drivers implements [api.Service].
func (s *Server) Drivers(context.Context) ([]api.Driver, error) {
	all := []api.Driver{}
	for _, cluster := range s.site.Clusters {
		all = append(all, s.drivers[cluster.Name].view())
	}
	return all, nil
}

// checkTime bounds a check of a driver.
const checkTime = time.Minute

// CheckDriver implements [api.Service]: it tries what can be tried without a change, and
// looks for everything that the configuration names.
func (s *Server) CheckDriver(ctx context.Context, cluster string) (*api.DriverCheck, error) {
	d := s.drivers[cluster]
	if d == nil {
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no cluster %q", cluster), Next: "see: hotspare driver list"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if d.given.Retry != nil {
		d.given.Retry() // a person asks: now, and not when its time has come
	}
	c := &checker{result: &api.DriverCheck{Cluster: cluster, OK: true}}
	c.try("describe", func() (string, error) {
		about, err := d.given.Describe(ctx)
		c.result.About = about
		return fmt.Sprintf("%s %s, contract %d, %d properties", about.Driver, about.Version, about.Contract, len(about.Properties)), err
	})
	c.try("configure", func() (string, error) { return "accepted", d.given.Configure(ctx, d.given.Configuration) })
	c.try("authenticated read", func() (string, error) { return "", firstHealth(ctx, d.given.Driver) })
	var inv *scheduler.ClusterInventory
	c.try("inventory", func() (found string, err error) {
		if inv, err = d.list(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d hosts, %d VMs and templates, %d networks, %d datastores", len(inv.Hosts), len(inv.VMs), len(inv.Networks), len(inv.Datastores)), nil
	})
	if inv != nil {
		s.checkNames(ctx, c, d, inv)
	}
	return c.result, nil
}

// checkNames looks for what the configuration names at this cluster.
func (s *Server) checkNames(ctx context.Context, c *checker, d *driver, inv *scheduler.ClusterInventory) {
	cluster := d.cluster.Name
	for _, network := range s.site.Networks {
		if network.Cluster == cluster {
			c.network(inv, "network "+network.Name, network.PortGroup)
		}
	}
	for _, network := range s.site.IsolatedAt(cluster) {
		c.network(inv, "isolated network", network)
	}
	for _, t := range s.site.Template {
		if t.Cluster == cluster {
			c.try("template "+t.Name, func() (string, error) {
				item, err := inv.Named(t.Source, true)
				return fmt.Sprintf("%s, %d snapshots", item.Name, item.Snapshots), err
			})
		}
	}
	all := scheduler.Inventory{cluster: inv}
	for i := range s.site.Groups {
		g := &s.site.Groups[i]
		for j := range g.VMs {
			if vm := &g.VMs[j]; vm.Cluster == cluster {
				c.try(fmt.Sprintf("group %s: VM %s", g.Name, vm.Name), func() (string, error) { return checkStandby(ctx, d.given.Driver, all, vm) })
			}
		}
		for _, replica := range g.Replicas {
			if replica.Cluster == cluster {
				c.try(fmt.Sprintf("group %s: replica %s", g.Name, replica.Name), func() (string, error) { return checkReplica(inv, replica) })
			}
		}
	}
}

func checkStandby(ctx context.Context, d drivers.Driver, all scheduler.Inventory, vm *scheduler.StandbyVM) (string, error) {
	item, err := all.Standby(vm)
	if err != nil {
		return "", err
	}
	for _, disk := range vm.Disks {
		if _, ok := item.Disks[disk.Slot]; !ok {
			return "", fmt.Errorf("it has no disk %s", disk.Slot)
		}
	}
	for _, nic := range vm.NICs {
		if _, ok := item.NICs[nic.Slot]; !ok {
			return "", fmt.Errorf("it has no NIC %s", nic.Slot)
		}
	}
	power, err := d.Observe(ctx, scheduler.Power(vm.Cluster, item.ID))
	return fmt.Sprintf("on host %s, %s", item.Host, power.Text), err
}

func checkReplica(inv *scheduler.ClusterInventory, ref scheduler.ReplicaRef) (string, error) {
	replica, ok := inv.Replicas[ref.Path]
	if !ok {
		return "", fmt.Errorf("the driver does not tell of %s; install a driver of this hotspare's version", ref.Path)
	}
	if replica.Problem != "" {
		return "", errors.New(replica.Problem)
	}
	complete := 0
	for _, point := range replica.RestorePoints {
		if point.Complete {
			complete++
		}
	}
	if complete == 0 {
		return "", fmt.Errorf("none of its %d restore points is complete", len(replica.RestorePoints))
	}
	return fmt.Sprintf("%s, %d complete restore points of %d", replica.Role, complete, len(replica.RestorePoints)), nil
}

// checker collects what was tried.
type checker struct{ result *api.DriverCheck }

func (c *checker) try(what string, do func() (string, error)) {
	began := time.Now()
	found, err := do()
	entry := api.CheckLine{What: what, OK: err == nil, Took: time.Since(began), Found: found}
	if err != nil {
		entry.Error, entry.Found, c.result.OK = err.Error(), "", false
	}
	c.result.Lines = append(c.result.Lines, entry)
}

func (c *checker) network(inv *scheduler.ClusterInventory, what, name string) {
	c.try(what, func() (string, error) {
		if !inv.Networks[name] {
			return "", fmt.Errorf("the cluster has no network %q", name)
		}
		return name, nil
	})
}

// firstHealth gives the first health report of a driver.
func firstHealth(ctx context.Context, d drivers.Driver) error {
	enough := errors.New("enough")
	var first drivers.Health
	err := d.Health(ctx, func(h drivers.Health) error {
		first = h
		return enough
	})
	switch {
	case first.At.IsZero() && err != nil:
		return err
	case !first.OK:
		return errors.New(first.Error)
	default:
		return nil
	}
}

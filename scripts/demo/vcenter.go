package main

import (
	"context"
	"syscall"

	"github.com/hotspare/hotspare/drivers/vsphere/devsite"
	"github.com/hotspare/hotspare/drivers/vsphere/dump"
)

// vcenter is the recovery site of the simulated vCenter, which the server starts itself.
type vcenter struct{ dir string }

func (v vcenter) serverArgs() []string { return []string{"--dev", "--dir", v.dir} }

func (v vcenter) dumpedBy() string { return "a plain dump of the vSphere API" }

func (v vcenter) dump(ctx context.Context) (string, error) {
	info, err := devsite.ReadInfo(v.dir)
	if err != nil {
		return "", err
	}
	password, err := devsite.ReadPassword(v.dir)
	if err != nil {
		return "", err
	}
	return dump.Dump(ctx, info.URL, info.Username, password, info.Thumbprint)
}

func (v vcenter) close() error {
	info, err := devsite.ReadInfo(v.dir)
	if err != nil {
		return nil // it never came up
	}
	return syscall.Kill(info.PID, syscall.SIGTERM)
}

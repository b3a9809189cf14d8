package kvmsite

import (
	"context"
	"os"
)

// The templates, both on the first host, off, over the same volume.
const (
	Template         = "tpl-tiny"
	StubbornTemplate = "tpl-stubborn" // its guests ignore the power button
)

// templateMark is the metadata by which the driver knows a template.
const templateMark = `<hotspare:vm xmlns:hotspare="https://hotspare.io/libvirt/1" template="true"/>`

// TemplatePath is the file of the templates' volume.
func (s *Site) TemplatePath() string { return s.path("templates", Template+".qcow2") }

func (s *Site) buildTemplate(ctx context.Context) error {
	if err := MakeDisk(ctx, s.TemplatePath(), "qcow2", Template, ""); err != nil {
		return err
	}
	return os.Chmod(s.TemplatePath(), finalFileMode)
}

func (s *Site) templateSpecs() []VMSpec {
	spec := VMSpec{
		Name: Template, Bridge: "br-standby", Metadata: templateMark,
		Disks: []Disk{{Path: s.TemplatePath(), Format: "qcow2"}},
	}
	stubborn := spec
	stubborn.Name, stubborn.IgnorePowerButton = StubbornTemplate, true
	return []VMSpec{spec, stubborn}
}

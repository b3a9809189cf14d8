package devsite

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// builder fills an empty simulated vCenter.
type builder struct {
	ctx      context.Context
	client   *vim25.Client
	model    *simulator.Model
	start    time.Time
	dc       *object.Datacenter
	folders  *object.DatacenterFolders
	hosts    []*object.HostSystem
	pool     *object.ResourcePool
	networks map[string]types.BaseVirtualDeviceBackingInfo
}

// build makes the simulated vCenter with everything in it.
func build(ctx context.Context, start time.Time) (*simulator.Model, error) {
	model := simulator.VPX()
	model.Datacenter, model.Cluster, model.ClusterHost, model.Host = 1, 1, hostCount, 0
	model.Datastore, model.Machine, model.Portgroup, model.Autostart = 2, 0, 1, false
	if err := model.Create(); err != nil {
		return nil, err
	}
	b := &builder{ctx: ctx, model: model, start: start}
	for _, step := range []func() error{
		b.connect, b.addHosts, b.addNetworks, b.addReplicas, b.addStandbys, b.addTemplates, b.addServices,
	} {
		if err := step(); err != nil {
			model.Remove()
			return nil, err
		}
	}
	return model, nil
}

func (b *builder) connect() error {
	var err error
	if b.client, err = vim25.NewClient(b.ctx, b.model.Service); err != nil {
		return err
	}
	finder := find.NewFinder(b.client)
	if b.dc, err = finder.Datacenter(b.ctx, datacenterName); err != nil {
		return err
	}
	finder.SetDatacenter(b.dc)
	if b.folders, err = b.dc.Folders(b.ctx); err != nil {
		return err
	}
	if b.hosts, err = finder.HostSystemList(b.ctx, "*"); err != nil {
		return err
	}
	if b.pool, err = finder.ResourcePool(b.ctx, clusterName+"/Resources"); err != nil {
		return err
	}
	_, err = b.folders.VmFolder.CreateFolder(b.ctx, folderName)
	return err
}

// addHosts gives the hosts their names and sizes, and the datastores theirs.
func (b *builder) addHosts() error {
	for i, ref := range b.hosts {
		host := b.model.Map().Get(ref.Reference()).(*simulator.HostSystem)
		host.Name, host.Summary.Config.Name = hostName(i), hostName(i)
		host.Hardware.CpuInfo.NumCpuThreads = hostThreads
		host.Hardware.MemorySize = hostMemoryGiB << 30
		host.Summary.Hardware.NumCpuThreads = hostThreads
		host.Summary.Hardware.MemorySize = hostMemoryGiB << 30
	}
	return nil
}

// addNetworks makes the port groups. The production ones reach the production hosts only.
func (b *builder) addNetworks() error {
	finder := find.NewFinder(b.client)
	finder.SetDatacenter(b.dc)
	first, err := finder.Network(b.ctx, datacenterName+"_DVPG0")
	if err != nil {
		return err
	}
	if task, err := object.NewCommon(b.client, first.Reference()).Rename(b.ctx, standbyNetwork); err != nil {
		return err
	} else if err := task.Wait(b.ctx); err != nil {
		return err
	}
	found, err := finder.Network(b.ctx, "DVS0")
	if err != nil {
		return err
	}
	dvs := found.(*object.DistributedVirtualSwitch)
	for _, name := range append([]string{networkApp, networkDB}, isolatedNetworks...) {
		task, err := dvs.AddPortgroup(b.ctx, []types.DVPortgroupConfigSpec{{
			Name: name, NumPorts: 8, Type: string(types.DistributedVirtualPortgroupPortgroupTypeEarlyBinding),
		}})
		if err != nil {
			return err
		}
		if err := task.Wait(b.ctx); err != nil {
			return err
		}
	}
	for _, entity := range b.model.Map().All("DistributedVirtualPortgroup") {
		if group := entity.(*simulator.DistributedVirtualPortgroup); strings.Contains(group.Name, "Uplinks") {
			group.Config.Uplink = types.NewBool(true) // as vCenter has it
		}
	}
	b.networks = map[string]types.BaseVirtualDeviceBackingInfo{}
	for _, name := range append([]string{standbyNetwork, networkApp, networkDB}, isolatedNetworks...) {
		net, err := finder.Network(b.ctx, name)
		if err != nil {
			return err
		}
		if b.networks[name], err = net.EthernetCardBackingInfo(b.ctx); err != nil {
			return err
		}
		if name == networkApp || name == networkDB {
			b.withdraw(net.Reference())
		}
	}
	return nil
}

// withdraw takes a production network from the hosts that only lend.
func (b *builder) withdraw(network types.ManagedObjectReference) {
	group := b.model.Map().Get(network).(*simulator.DistributedVirtualPortgroup)
	for _, ref := range b.hosts[productionHosts:] {
		host := b.model.Map().Get(ref.Reference()).(*simulator.HostSystem)
		simulator.RemoveReference(&host.Network, network)
		simulator.RemoveReference(&group.Host, ref.Reference())
	}
}

// addReplicas makes each group's replica: its base disks, its restore points' disks, and
// its manifest.
func (b *builder) addReplicas() error {
	for _, g := range groups {
		folders := []string{g.replica()}
		var disks []string
		for _, p := range points(b.start) {
			folders = append(folders, g.replica()+"/"+p.id)
		}
		for _, vm := range g.vms {
			for _, volume := range vm.volumes {
				disks = append(disks, g.basePath(volume))
				for _, p := range points(b.start) {
					disks = append(disks, g.replica()+"/"+pointPath(p, volume))
				}
			}
		}
		for _, folder := range folders {
			if err := object.NewFileManager(b.client).MakeDirectory(b.ctx, folder, b.dc, true); err != nil {
				return err
			}
		}
		for _, disk := range disks {
			if err := b.createDisk(disk); err != nil {
				return err
			}
		}
		if err := b.writeManifest(g); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) createDisk(at string) error {
	task, err := object.NewVirtualDiskManager(b.client).CreateVirtualDisk(b.ctx, at, b.dc, &types.FileBackedVirtualDiskSpec{
		VirtualDiskSpec: types.VirtualDiskSpec{DiskType: string(types.VirtualDiskTypeThin), AdapterType: string(types.VirtualDiskAdapterTypeLsiLogic)},
		CapacityKb:      16 << 20,
	})
	if err != nil {
		return err
	}
	return task.Wait(b.ctx)
}

func (b *builder) writeManifest(g group) error {
	type entry struct {
		ID       string            `json:"id"`
		Time     time.Time         `json:"time"`
		Complete bool              `json:"complete"`
		Volumes  map[string]string `json:"volumes"`
	}
	var manifest struct {
		RestorePoints []entry `json:"restorePoints"`
	}
	for _, p := range points(b.start) {
		e := entry{ID: p.id, Time: p.at, Complete: p.complete, Volumes: map[string]string{}}
		for _, vm := range g.vms {
			for _, volume := range vm.volumes {
				e.Volumes[volume] = pointPath(p, volume)
			}
		}
		manifest.RestorePoints = append(manifest.RestorePoints, e)
	}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(storeDir(b.model, replicaStore), g.folder(), "restore-points.json"), append(text, '\n'), 0o600)
}

// storeDir is the directory on this machine that holds a datastore's files.
func storeDir(model *simulator.Model, name string) string {
	for _, entity := range model.Map().All("Datastore") {
		if store := entity.(*simulator.Datastore); store.Name == name {
			return store.Summary.Url
		}
	}
	return ""
}

func (b *builder) addStandbys() error {
	for _, g := range groups {
		for _, vm := range g.vms {
			var disks []string
			for _, volume := range vm.volumes {
				disks = append(disks, g.basePath(volume))
			}
			if _, err := b.createVM(vm.name, "", b.hosts[vm.host], vm.cpus, vm.memoryGiB, disks); err != nil {
				return fmt.Errorf("make %s: %w", vm.name, err)
			}
		}
	}
	return nil
}

func (b *builder) addTemplates() error {
	for i, t := range templates {
		disk, err := b.ownDisk(t.name)
		if err != nil {
			return err
		}
		vm, err := b.createVM(t.name, disk.dir, b.hosts[i], t.cpus, t.memoryGiB, []string{disk.file})
		if err != nil {
			return fmt.Errorf("make %s: %w", t.name, err)
		}
		task, err := vm.CreateSnapshot(b.ctx, "base", "what clones are linked to", false, false)
		if err != nil {
			return err
		}
		if err := task.Wait(b.ctx); err != nil {
			return err
		}
		if err := vm.MarkAsTemplate(b.ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) addServices() error {
	for _, s := range services {
		disk, err := b.ownDisk(s.name)
		if err != nil {
			return err
		}
		vm, err := b.createVM(s.name, disk.dir, b.hosts[s.host], s.cpus, s.memoryGiB, []string{disk.file})
		if err != nil {
			return fmt.Errorf("make %s: %w", s.name, err)
		}
		task, err := vm.PowerOn(b.ctx)
		if err != nil {
			return err
		}
		if err := task.Wait(b.ctx); err != nil {
			return err
		}
	}
	return nil
}

type diskFile struct{ dir, file string }

func (b *builder) ownDisk(name string) (diskFile, error) {
	d := diskFile{dir: "[" + volumeStore + "] " + name}
	d.file = d.dir + "/" + name + ".vmdk"
	if err := object.NewFileManager(b.client).MakeDirectory(b.ctx, d.dir, b.dc, true); err != nil {
		return d, err
	}
	return d, b.createDisk(d.file)
}

// createVM registers a VM that is off, on the standby network, with disks that exist.
func (b *builder) createVM(name, dir string, host *object.HostSystem, cpus, memoryGiB int, disks []string) (*object.VirtualMachine, error) {
	vmx := "[" + volumeStore + "]"
	if dir != "" {
		vmx = dir + "/" + name + ".vmx"
	}
	var list object.VirtualDeviceList
	scsi, err := list.CreateSCSIController("pvscsi")
	if err != nil {
		return nil, err
	}
	list = append(list, scsi)
	for i, file := range disks {
		unit := int32(i)
		list = append(list, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{
			Key: int32(-100 - i), ControllerKey: scsi.GetVirtualDevice().Key, UnitNumber: &unit,
			Backing: &types.VirtualDiskFlatVer2BackingInfo{
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file},
				DiskMode:                     string(types.VirtualDiskModePersistent),
				ThinProvisioned:              types.NewBool(true),
			},
		}})
	}
	list = append(list, &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: types.VirtualEthernetCard{
		VirtualDevice: types.VirtualDevice{
			Key: 4000, Backing: b.networks[standbyNetwork],
			Connectable: &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true},
		},
		AddressType: string(types.VirtualEthernetCardMacTypeManual), MacAddress: macAddress(name),
	}}})
	spec := types.VirtualMachineConfigSpec{
		Name: name, GuestId: string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest),
		InstanceUuid: instanceUUID(name), NumCPUs: int32(cpus), MemoryMB: int64(memoryGiB) << 10,
		Files: &types.VirtualMachineFileInfo{VmPathName: vmx},
	}
	var add []types.BaseVirtualDeviceConfigSpec
	for _, device := range list {
		add = append(add, &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device})
	}
	spec.DeviceChange = add
	task, err := b.folders.VmFolder.CreateVM(b.ctx, spec, b.pool, host)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(b.ctx)
	if err != nil {
		return nil, err
	}
	return object.NewVirtualMachine(b.client, info.Result.(types.ManagedObjectReference)), nil
}

package config

import "github.com/hotspare/hotspare/scheduler"

// fileBlock is what all the files of a site together may hold.
var fileBlock = &block{
	word: "site file",
	blocks: []*block{
		siteBlock, clusterBlock, networkBlock, isolatedBlock, workspacesBlock,
		groupBlock, templateBlock, triggerBlock,
	},
}

var (
	nameLabel = label{"NAME", checkName}
	textLabel = label{"NAME", checkText}
	slotLabel = label{"SLOT", checkText}
	kindLabel = label{"KIND", nil} // checked as the variant
)

var siteBlock = &block{
	word: "site", labels: []label{nameLabel}, once: true, required: true,
	help: "the recovery site; its name is part of the names of what hotspare makes there",
	attributes: []attribute{
		{name: "state_dir", kind: folder, required: true, help: "folder of the journal and all else that is kept"},
	},
	blocks: []*block{{
		word: "listen", once: true, required: true, help: "where the server listens",
		attributes: []attribute{
			{name: "unix", kind: socket, required: true, help: "path of the unix socket for the command line"},
			{name: "tcp", kind: listenAddress, help: "host and port for triggers and the API; port 0 is any that is free; without it, nothing listens on the network"},
			{name: "token_file", kind: secretFile, help: "file that holds the bearer token of the API on tcp; without it, only triggers are served there"},
			{name: "certificate_file", kind: certificateFile, help: "file with the certificate chain for TLS, in PEM; needed where tcp is not on loopback"},
			{name: "key_file", kind: keyFile, help: "file with the certificate's key, in PEM"},
		},
	}},
}

var clusterBlock = &block{
	word: "cluster", labels: []label{nameLabel}, required: true,
	help: "hosts behind one driver configuration",
	attributes: []attribute{
		{name: "driver", kind: driverName, required: true, help: "name of the driver: the binary is hotspare-driver-NAME"},
	},
	blocks: []*block{
		{word: "config", once: true, free: true, help: "the driver's own block, of the attributes that the driver describes"},
		roomBlock,
	},
}

var roomBlock = &block{
	word: "room", once: true, help: "how much of the hosts may be used",
	attributes: []attribute{
		{name: "cpu_ratio", kind: ratio, fallback: "4", help: "virtual CPUs for one thread of a host"},
		{name: "memory_ratio", kind: ratio, fallback: "1", help: "memory of VMs for the memory of a host"},
		{name: "floor_memory", kind: percent, fallback: `"10%"`, help: "share of a host's memory that is never lent"},
		{name: "floor_storage", kind: percent, fallback: `"15%"`, help: "share of a datastore that is never lent"},
	},
}

var networkBlock = &block{
	word: "network", labels: []label{nameLabel}, help: "a network that NICs of standby VMs are put on",
	attributes: []attribute{
		{name: "cluster", kind: reference, required: true, help: "name of its cluster"},
		{name: "port_group", kind: text, required: true, help: "the driver's name for it: port group, bridge"},
		{name: "role", kind: choice(scheduler.ProductionNetwork, scheduler.StandbyNetwork), required: true, help: "whether production runs on it"},
	},
}

var isolatedBlock = &block{
	word: "isolated_networks", labels: []label{nameLabel}, help: "a pool of networks that lead nowhere; each workspace gets its own",
	attributes: []attribute{
		{name: "cluster", kind: reference, required: true, help: "name of its cluster"},
		{name: "port_groups", kind: texts, required: true, help: "the driver's names for them; as many workspaces at once can have a network"},
	},
}

var workspacesBlock = &block{
	word: "workspaces", once: true, help: "what holds for all workspaces",
	attributes: []attribute{
		{name: "max_lease", kind: duration, fallback: `"72h"`, help: "longest lease"},
		{name: "retention", kind: duration, fallback: `"7d"`, help: "how long clones are parked after the lease, unless a template or a copy block says otherwise"},
		{name: "notice", kind: duration, fallback: `"10m"`, help: "how long before the end of a lease its owner is told; shorter than max_lease"},
		{name: "shutdown", kind: duration, fallback: `"60s"`, help: "how long guests have to shut down before they are cut off"},
	},
}

var groupBlock = &block{
	word: "protection_group", labels: []label{nameLabel}, help: "standby VMs that fail over together",
	attributes: []attribute{
		{name: "priority", kind: count, required: true, help: "order of claims on room; 1 comes first"},
		{name: "rto", kind: duration, required: true, help: "objective for the time to ready"},
		{name: "rpo", kind: duration, required: true, help: "objective for the age of the newest complete restore point"},
		{name: "owner", kind: text, required: true, help: "who answers for the group"},
	},
	blocks: []*block{
		{
			word: "copy", once: true, help: "who may have a copy of the group; without it, nobody",
			attributes: []attribute{
				{name: "allow", kind: texts, required: true, help: "owners of workspaces; `\"*\"` is anyone"},
				{name: "retention", kind: duration, help: "how long clones of the group are parked; without it, what the workspaces block says"},
			},
		},
		{
			word: "replica", labels: []label{nameLabel}, help: "a recovery-side copy of the group's production volumes",
			attributes: []attribute{
				{name: "cluster", kind: reference, required: true, help: "name of its cluster"},
				{name: "path", kind: text, required: true, help: "where it is, as the driver knows it"},
			},
		},
		vmBlock,
	},
}

var vmBlock = &block{
	word: "vm", labels: []label{textLabel}, required: true,
	help: "a standby VM: registered and off, under this name",
	attributes: []attribute{
		{name: "cluster", kind: reference, required: true, help: "name of its cluster, which is also that of its replicas and networks"},
		{name: "uuid", kind: uuid, help: "its UUID (vSphere: instance UUID); where given, it is the identity, else the name is"},
		{name: "start", kind: count, fallback: "1", help: "lower starts first, and the next waits until it is ready"},
	},
	blocks: []*block{
		{
			word: "disk", labels: []label{slotLabel}, help: "what a disk shows in production; SLOT is the driver's name: scsi0:1, vda",
			attributes: []attribute{
				{name: "replica", kind: reference, required: true, help: "name of a replica of the group"},
				{name: "volume", kind: text, required: true, help: "name of the volume in the replica; one disk has it"},
			},
		},
		{
			word: "nic", labels: []label{slotLabel}, help: "which network a NIC is on in production; SLOT is the driver's name: ethernet0, a MAC",
			attributes: []attribute{
				{name: "production", kind: reference, required: true, help: "name of a network of role production"},
			},
		},
		readyBlock,
	},
}

var readyBlock = &block{
	word: "ready", labels: []label{kindLabel}, once: true,
	help: "the check that the service answers",
	attributes: []attribute{
		{name: "within", kind: duration, fallback: `"5m"`, help: "how long the service has until it must answer"},
	},
	variants: []variant{
		{scheduler.ReadyHTTP, []attribute{{name: "url", kind: address, required: true, help: "http or https URL, without an account; ready is a status of 200 to 399"}}},
		{scheduler.ReadyTCP, []attribute{{name: "address", kind: hostPort, required: true, help: "host and port; ready is a connection"}}},
		{scheduler.ReadyCommand, []attribute{{name: "command", kind: command, required: true, help: "program and arguments, run by the server; ready is exit code 0"}}},
	},
}

var templateBlock = &block{
	word: "template", labels: []label{nameLabel}, help: "what new VMs are made from",
	attributes: []attribute{
		{name: "cluster", kind: reference, required: true, help: "name of its cluster"},
		{name: "source", kind: text, required: true, help: "the driver's name of the template"},
		{name: "cpus", kind: count, required: true, help: "virtual CPUs"},
		{name: "memory", kind: size, required: true, help: "memory of the VM"},
		{name: "network", kind: reference, fallback: `"isolated"`, help: "`\"isolated\"`, the workspace's own, or the name of a network that is not of role production"},
		{name: "retention", kind: duration, help: "how long its disks are parked after the lease; without it, what the workspaces block says"},
		{name: "user_data", kind: anyText, help: "handed to the guest at its first start; write `$${` for a `${` in it"},
	},
}

var triggerBlock = &block{
	word: "trigger", labels: []label{kindLabel, nameLabel}, help: "a source of signals, and what it may start",
	variants: []variant{
		{"alertmanager", []attribute{
			{name: "token_file", kind: secretFile, required: true, help: "file that holds the bearer token; others may not read it"},
			{name: "group_label", kind: alertLabel, required: true, help: "label of an alert that names the protection group"},
			{name: "starts", kind: choice(string(scheduler.Reclaim)), fallback: `"reclaim"`, help: "what an alert starts; promotion is left to a person"},
		}},
	},
}

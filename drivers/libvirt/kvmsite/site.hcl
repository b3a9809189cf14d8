# The recovery site of the KVM rig. Paths are relative to this file.
site "dr-kvm" {
  state_dir = "."
  listen {
    unix = "hotspare.sock"
    tcp  = "127.0.0.1:{{.Port}}"
  }
}

cluster "kvm" {
  driver = "libvirt"
  config {
    hosts = {
{{- range .Hosts}}
      {{.Name}} = "{{.URI}}"
{{- end}}
    }
    volumes_pool = "volumes"
    bridges      = ["br-prod", "br-standby", "iso-1", "iso-2", "iso-3", "iso-4"]
  }
  room {
    cpu_ratio     = 4
    memory_ratio  = 1
    floor_memory  = "10%"
    floor_storage = "5%"
  }
}

network "prod" {
  cluster    = "kvm"
  port_group = "bridge:br-prod"
  role       = "production"
}

network "standby" {
  cluster    = "kvm"
  port_group = "bridge:br-standby"
  role       = "standby"
}

isolated_networks "iso" {
  cluster     = "kvm"
  port_groups = ["bridge:iso-1", "bridge:iso-2", "bridge:iso-3", "bridge:iso-4"]
}

workspaces {
  max_lease = "72h"
  retention = "7d"
  notice    = "10m"
  shutdown  = "10s"
}

protection_group "shop" {
  priority = 1
  rto      = "15m"
  rpo      = "1h"
  owner    = "shop"

  copy {
    allow = ["*"]
  }

  replica "shop" {
    cluster = "kvm"
    path    = "{{.Replica}}"
  }
{{range .VMs}}
  vm "{{.Name}}" {
    cluster = "kvm"
    start   = {{.Start}}
{{- range .Disks}}
    disk "{{.Slot}}" {
      replica = "shop"
      volume  = "{{.Volume}}"
    }
{{- end}}
    nic "{{.MAC}}" {
      production = "prod"
    }
    ready "command" {
      command = ["nsenter", "-t", "{{$.Production}}", "-n", "timeout", "2", "busybox", "wget", "-q", "-O", "/dev/null", "http://{{.IP}}/"]
      within  = "3m"
    }
  }
{{end -}}
}

template "tiny" {
  cluster   = "kvm"
  source    = "tpl-tiny"
  cpus      = 1
  memory    = "96MiB"
  network   = "isolated"
  user_data = "#cloud-config for-ben"
}

template "stubborn" {
  cluster = "kvm"
  source  = "tpl-stubborn"
  cpus    = 1
  memory  = "96MiB"
  network = "isolated"
}

trigger "alertmanager" "prod" {
  token_file  = "am.token"
  group_label = "failover_group"
  starts      = "reclaim"
}

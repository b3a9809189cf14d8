# A recovery site: what is lent to developers, and what comes back when production fails.
# It is an example to copy and change: its vCenter, groups, VMs and addresses are invented, and
# nothing answers there. A site that runs as it is comes with: hotspare server --dev --dir DIR
# (see DIR/site.hcl). Check yours with: hotspare config validate /etc/hotspare/site.hcl
#
# Values are literal. Relative paths start at the folder of this file. The two files that
# are named here, vc.password and am.token, lie beside it with mode 0640 or less.
# Every block and attribute is listed in README.md.

site "dr-east" {
  state_dir = "/var/lib/hotspare"

  listen {
    unix = "/run/hotspare/hotspare.sock" # for the command line on this machine
    tcp  = "127.0.0.1:7780"              # for triggers, the API and the console
  }
}

# Hosts behind one driver. The config block is the driver's own.
cluster "dr1" {
  driver = "vsphere"

  config {
    url               = "https://vcenter.dr-east.example/sdk" # where no CA vouches for it: thumbprint, or ca_file
    username          = "hotspare"
    password_file     = "vc.password"
    datacenter        = "dr-east"
    compute           = "cluster-1"
    folder            = "hotspare"
    volumes_datastore = "ds-volumes"
  }

  room {
    cpu_ratio     = 4     # virtual CPUs for one thread
    memory_ratio  = 1     # no more memory than there is
    floor_memory  = "10%" # of each host: never lent
    floor_storage = "15%" # of each datastore: never lent, since clones and promoted disks grow
  }
}

# The networks of production, as they are called here.
network "prod-app" {
  cluster    = "dr1"
  port_group = "PG-PROD-APP"
  role       = "production"
}

network "prod-db" {
  cluster    = "dr1"
  port_group = "PG-PROD-DB"
  role       = "production"
}

# Where standby VMs wait.
network "standby" {
  cluster    = "dr1"
  port_group = "PG-STANDBY"
  role       = "standby"
}

# Networks that lead nowhere. Each workspace gets one, so that a copy may carry
# production's addresses: four networks, four workspaces at once.
isolated_networks "iso" {
  cluster     = "dr1"
  port_groups = ["ISO-01", "ISO-02", "ISO-03", "ISO-04"]
}

workspaces {
  max_lease = "72h"
  retention = "7d"  # clones are parked that long after the lease
  notice    = "10m" # before the end of a lease
  shutdown  = "60s" # then guests are cut off
}

# The most important group: the first to claim room.
protection_group "payments" {
  priority = 1
  rto      = "15m"
  rpo      = "5m"
  owner    = "pay"

  copy { # without this block, nobody may have a copy
    allow     = ["team-pay"]
    retention = "3d"
  }

  replica "payments" {
    cluster = "dr1"
    path    = "[ds-replica] replica/payments" # restore-points.json lies here
  }

  # The database is ready before the application starts.
  vm "pay-db-01" {
    cluster = "dr1"
    start   = 1

    disk "scsi0:0" {
      replica = "payments"
      volume  = "pay-db-01-root"
    }
    disk "scsi0:1" {
      replica = "payments"
      volume  = "pay-db-01-data"
    }
    nic "ethernet0" {
      production = "prod-db"
    }

    # The service, never the power state.
    ready "http" {
      url    = "http://10.20.1.11:8080/healthz"
      within = "5m"
    }
  }

  vm "pay-app-01" {
    cluster = "dr1"
    start   = 2

    disk "scsi0:0" {
      replica = "payments"
      volume  = "pay-app-01-root"
    }
    nic "ethernet0" {
      production = "prod-app"
    }
    ready "http" {
      url    = "http://10.20.1.12:8080/healthz"
      within = "5m"
    }
  }
}

protection_group "orders" {
  priority = 2
  rto      = "30m"
  rpo      = "15m"
  owner    = "shop"

  copy {
    allow     = ["*"] # anyone
    retention = "3d"
  }

  replica "orders" {
    cluster = "dr1"
    path    = "[ds-replica] replica/orders"
  }

  vm "ord-db-01" {
    cluster = "dr1"
    start   = 1

    disk "scsi0:0" {
      replica = "orders"
      volume  = "ord-db-01-root"
    }
    disk "scsi0:1" {
      replica = "orders"
      volume  = "ord-db-01-data"
    }
    nic "ethernet0" {
      production = "prod-db"
    }
    ready "http" {
      url    = "http://10.20.2.11:8080/healthz"
      within = "5m"
    }
  }

  vm "ord-web-01" {
    cluster = "dr1"
    start   = 2

    disk "scsi0:0" {
      replica = "orders"
      volume  = "ord-web-01-root"
    }
    nic "ethernet0" {
      production = "prod-app"
    }
    ready "http" {
      url    = "http://10.20.2.12:8080/healthz"
      within = "5m"
    }
  }
}

# Nobody may have a copy of this one.
protection_group "reports" {
  priority = 3
  rto      = "4h"
  rpo      = "1h"
  owner    = "bi"

  replica "reports" {
    cluster = "dr1"
    path    = "[ds-replica] replica/reports"
  }

  vm "rep-01" {
    cluster = "dr1"

    disk "scsi0:0" {
      replica = "reports"
      volume  = "rep-01-root"
    }
    nic "ethernet0" {
      production = "prod-app"
    }
    ready "http" {
      url    = "http://10.20.3.11:8080/healthz"
      within = "5m"
    }
  }
}

# What developers make new VMs from.
template "ubuntu-small" {
  cluster   = "dr1"
  source    = "tpl-ubuntu"
  cpus      = 2
  memory    = "4GiB"
  network   = "isolated"
  retention = "24h"
  user_data = <<-CLOUD
    #cloud-config
    package_update: false
  CLOUD
}

template "loadgen" {
  cluster   = "dr1"
  source    = "tpl-loadgen"
  cpus      = 2
  memory    = "4GiB"
  network   = "isolated"
  retention = "24h"
}

# Alertmanager may make room (alertmanager.yml); a person promotes.
trigger "alertmanager" "prod" {
  token_file  = "am.token"
  group_label = "failover_group"
  starts      = "reclaim"
}

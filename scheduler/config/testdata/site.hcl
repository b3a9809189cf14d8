site "dr-east" {
  state_dir = "state"
  listen {
    unix = "run/hotspare.sock"
    tcp  = "127.0.0.1:7780"
  }
}

cluster "dr1" {
  driver = "sim"
  config {
    password_file = "vc.password"
  }
  room {
    cpu_ratio = 2
  }
}

cluster "dr2" {
  driver = "sim"
}

network "prod" {
  cluster    = "dr1"
  port_group = "PG-PROD"
  role       = "production"
}

network "standby" {
  cluster    = "dr1"
  port_group = "PG-STANDBY"
  role       = "standby"
}

network "far" {
  cluster    = "dr2"
  port_group = "PG-PROD"
  role       = "production"
}

isolated_networks "iso" {
  cluster     = "dr1"
  port_groups = ["ISO-01", "ISO-02"]
}

isolated_networks "more" {
  cluster     = "dr1"
  port_groups = ["ISO-03"]
}

workspaces {
  max_lease = "72h"
}

protection_group "payments" {
  priority = 1
  rto      = "15m"
  rpo      = "5m"
  owner    = "pay"
  copy {
    allow = ["team-pay"]
  }
  replica "payments" {
    cluster = "dr1"
    path    = "replica/payments"
  }
  replica "ledger" {
    cluster = "dr1"
    path    = "replica/ledger"
  }
  vm "pay-db-01" {
    cluster = "dr1"
    uuid    = "4c4c4544-0042-3510-8053-b4c04f4a4e31"
    start   = 1
    disk "scsi0:0" {
      replica = "payments"
      volume  = "root"
    }
    disk "scsi0:1" {
      replica = "payments"
      volume  = "data"
    }
    nic "ethernet0" {
      production = "prod"
    }
    ready "http" {
      url = "http://127.0.0.1:18101/healthz"
    }
  }
  vm "pay-app-01" {
    cluster = "dr1"
    start   = 2
    ready "tcp" {
      address = "10.0.0.7:443"
      within  = "90s"
    }
  }
}

protection_group "orders" {
  priority = 2
  rto      = "30m"
  rpo      = "15m"
  owner    = "shop"
  replica "orders" {
    cluster = "dr1"
    path    = "replica/orders"
  }
  vm "ord-01" {
    cluster = "dr1"
    uuid    = "4c4c4544-0042-3510-8053-b4c04f4a4e32"
    ready "command" {
      command = ["/usr/local/bin/check", "orders"]
    }
  }
}

template "small" {
  cluster = "dr1"
  source  = "tpl-ubuntu"
  cpus    = 2
  memory  = "4GiB"
}

trigger "alertmanager" "prod" {
  token_file  = "am.token"
  group_label = "failover_group"
}

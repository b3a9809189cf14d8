package config

import (
	"fmt"
	"net"
	"os"

	"github.com/hotspare/hotspare/scheduler"
)

// listen reads where the server listens. What leaves the machine is encrypted: an address
// that is not on loopback needs a certificate.
func (b *builder) listen(o *object) scheduler.Listen {
	l := scheduler.Listen{Unix: absolute(o, "unix"), TCP: o.text("tcp"), Token: b.token(o),
		CertFile: absolute(o, "certificate_file"), KeyFile: absolute(o, "key_file")}
	if len(l.Unix) > longestSocket {
		b.wrong(o, "unix", fmt.Sprintf("unix is a path of %d bytes", len(l.Unix)), fmt.Sprintf("write a path of %d at most: no system takes a longer one for a socket", longestSocket))
	}
	for _, name := range []string{"token_file", "certificate_file", "key_file"} {
		if o.has(name) && l.TCP == "" {
			b.wrong(o, name, name+" stands without tcp", "write the address too, or leave this away: the unix socket needs neither token nor certificate")
		}
	}
	if o.has("certificate_file") != o.has("key_file") {
		b.wrong(o, "certificate_file", "certificate_file and key_file go together", "write both")
	}
	for name, path := range map[string]string{"certificate_file": l.CertFile, "key_file": l.KeyFile} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			wrong := unreadable(path, err)
			b.wrong(o, name, fmt.Sprintf("%s %q %s", name, o.text(name), wrong.summary), wrong.hint)
		}
	}
	if l.TCP != "" && l.CertFile == "" && !loopback(l.TCP) {
		b.wrong(o, "tcp", fmt.Sprintf("tcp %q can be reached from other machines, without encryption", l.TCP), "write an address on loopback (127.0.0.1:7780), or certificate_file and key_file too")
	}
	return l
}

// loopback reports whether an address is only reached from this machine.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // that is a mistake of its own, told elsewhere
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

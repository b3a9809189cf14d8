package libvirt

import (
	"context"
	"slices"
	"strings"

	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/hotspare/hotspare/drivers"
)

// A network, as text:
//
//	NETWORK              a libvirt network
//	NETWORK/PORTGROUP    a port group of it
//	bridge:NAME          a bridge of the host
const bridgePrefix = "bridge:"

// networkOf gives the network of an <interface>; of one that is on neither a bridge nor a
// libvirt network, its type and device.
func networkOf(nic *node) string {
	source := nic.kid("source")
	network, group, kind := source.attr("network"), source.attr("portgroup"), nic.attr("type")
	switch {
	case network != "" && group != "":
		return network + "/" + group
	case network != "": // also where the type is that of what a running guest is plugged into
		return network
	case kind == "bridge":
		return bridgePrefix + source.attr("bridge")
	}
	return kind + ":" + source.attr("dev")
}

// sourceOfNetwork gives the type of an interface on a network, and its <source>.
func sourceOfNetwork(text string) (kind, source string) {
	if bridge, ok := strings.CutPrefix(text, bridgePrefix); ok {
		return "bridge", element("source", map[string]string{"bridge": bridge})
	}
	network, group, _ := strings.Cut(text, "/")
	return "network", element("source", map[string]string{"network": network, "portgroup": group})
}

// networks lists what NICs can be on at a host: its active libvirt networks, their port
// groups, and the bridges that the configuration names.
func (cl *cluster) networks(ctx context.Context, h *host) ([]string, error) {
	texts, err := read(ctx, h, func(conn *libvirt.Connect) ([]string, error) {
		list, err := conn.ListAllNetworks(libvirt.CONNECT_LIST_NETWORKS_ACTIVE)
		if err != nil {
			return nil, err
		}
		var texts []string
		for i := range list {
			text, err := list[i].GetXMLDesc(0)
			if err == nil {
				texts = append(texts, text)
			}
			_ = list[i].Free()
			if err != nil && !isAbsent(err) {
				return nil, err
			}
		}
		return texts, nil
	})
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, text := range texts {
		var n libvirtxml.Network
		if err := n.Unmarshal(text); err != nil {
			return nil, err
		}
		names = append(names, n.Name)
		for _, g := range n.PortGroups {
			names = append(names, n.Name+"/"+g.Name)
		}
	}
	for _, bridge := range cl.settings.bridges {
		names = append(names, bridgePrefix+bridge)
	}
	slices.Sort(names)
	return names, nil
}

// mustHave gives an error of kind NotFound where a host does not have a network.
func (cl *cluster) mustHave(ctx context.Context, op, object string, h *host, network string) error {
	names, err := cl.networks(ctx, h)
	if err != nil {
		return fail(op, object, err)
	}
	if slices.Contains(names, network) {
		return nil
	}
	next := "define and start the network there, or choose another"
	if strings.HasPrefix(network, bridgePrefix) {
		next = "name the bridge in the attribute bridges, or choose another network"
	}
	return drivers.NotFoundf(op, object, next, "host %s has no network %s", h.name, network)
}

package config

import (
	"fmt"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/hotspare/hotspare/scheduler"
)

// longestSocket is the longest path of a unix socket that every system takes.
const longestSocket = 103

// builder makes the site out of the objects, resolves names, and checks what must hold
// between objects.
type builder struct {
	root   *object
	errs   *Errors
	loaded *Loaded
}

func (b *builder) build() {
	site := b.root.only("site")
	listen := site.only("listen")
	s := &scheduler.Site{
		Name:     site.name(),
		StateDir: absolute(site, "state_dir"),
		Listen:   b.listen(listen),
		Clusters: b.clusters(),
		Rules:    b.rules(),
	}
	s.Networks = b.networks()
	s.Isolated = b.isolated()
	s.Groups = b.groups()
	s.Template = b.templates()
	s.Triggers = b.triggers()
	b.loaded.Site = s
}

// wrong adds a mistake at an attribute.
func (b *builder) wrong(o *object, attributeName, summary, hint string) {
	b.errs.add(o.place(attributeName), o.title, flaw{summary, hint})
}

// refer finds the block of the parent that an attribute names. It is nil where the
// attribute names none, which is then added as a mistake.
func (b *builder) refer(o *object, attributeName string, parent *object, word string) *object {
	if !o.has(attributeName) {
		return nil
	}
	name := o.text(attributeName)
	if found := parent.named(word, name); found != nil {
		return found
	}
	var known []string
	for _, candidate := range parent.blocks[word] {
		known = append(known, candidate.name())
	}
	b.wrong(o, attributeName, fmt.Sprintf("there is no %s %q", word, name), didYouMean(name, word+"s", known))
	return nil
}

// cluster gives the name of the cluster that an object is at.
func (b *builder) cluster(o *object) string {
	b.refer(o, "cluster", b.root, "cluster")
	return o.text("cluster")
}

// sameCluster checks that an object and what its attribute names are at one cluster.
func (b *builder) sameCluster(o, owner *object, attributeName string, named *object) {
	if named == nil || owner.text("cluster") == named.text("cluster") ||
		b.root.named("cluster", owner.text("cluster")) == nil || b.root.named("cluster", named.text("cluster")) == nil {
		return // a cluster that does not exist is one mistake, not many
	}
	b.wrong(o, attributeName,
		fmt.Sprintf("%s %q is at cluster %q, and the %s at %q", named.kind.word, named.name(), named.text("cluster"), owner.kind.word, owner.text("cluster")),
		fmt.Sprintf("name a %s at cluster %q", named.kind.word, owner.text("cluster")))
}

// absolute gives a path, taken from the folder of the file in which it stands.
func absolute(o *object, attributeName string) string {
	p := o.text(attributeName)
	switch {
	case p == "":
		return ""
	case filepath.IsAbs(p):
		return filepath.Clean(p)
	}
	return filepath.Join(o.folder, p)
}

func (b *builder) clusters() []scheduler.Cluster {
	var all []scheduler.Cluster
	for _, o := range b.root.blocks["cluster"] {
		room := o.only("room")
		cluster := scheduler.Cluster{
			Name: o.name(), Driver: o.text("driver"), Config: []byte("{}"),
			Room: scheduler.RoomRules{
				CPURatio: room.number("cpu_ratio"), MemoryRatio: room.number("memory_ratio"),
				FloorMemory: room.number("floor_memory"), FloorStorage: room.number("floor_storage"),
			},
		}
		b.loaded.clusters[o.name()] = o
		if blocks := o.blocks["config"]; len(blocks) > 0 {
			cluster.Config = b.written(blocks[0])
		}
		all = append(all, cluster)
	}
	return all
}

// written gives a driver's block as JSON, as it was written.
func (b *builder) written(o *object) []byte {
	values := map[string]cty.Value{}
	for name, v := range o.values {
		if given, ok := v.read.(cty.Value); ok {
			values[name] = given
		}
	}
	body, err := ctyjson.SimpleJSONValue{Value: cty.ObjectVal(values)}.MarshalJSON()
	if err != nil {
		b.errs.add(o.at, o.title, flaw{"cannot be written as JSON", "write texts, numbers, bools, lists and maps"})
	}
	return body
}

func (b *builder) rules() scheduler.WorkspaceRules {
	o := b.root.only("workspaces")
	r := scheduler.WorkspaceRules{
		MaxLease: o.duration("max_lease"), Retention: o.duration("retention"),
		Notice: o.duration("notice"), Shutdown: o.duration("shutdown"),
	}
	if o.has("notice") && o.has("max_lease") && r.Notice >= r.MaxLease {
		b.wrong(o, "notice", fmt.Sprintf("notice is %v, and the longest lease %v", r.Notice, r.MaxLease), "write a notice shorter than max_lease")
	}
	return r
}

package libvirt

import "strconv"

// number reads an element's text as a number; 0 where it is none.
func number(n *node) int {
	if n == nil {
		return 0
	}
	v, _ := strconv.Atoi(n.text)
	return v
}

// memoryMiB reads an element such as <memory unit='KiB'>.
func memoryMiB(n *node) int64 {
	if n == nil {
		return 0
	}
	v, _ := strconv.ParseInt(n.text, 10, 64)
	switch n.attr("unit") {
	case "b", "bytes":
		return v >> 20
	case "", "k", "KiB":
		return v >> 10
	case "KB":
		return v * 1000 >> 20
	case "MB":
		return v * 1000 * 1000 >> 20
	case "G", "GiB":
		return v << 10
	case "GB":
		return v * 1000 * 1000 * 1000 >> 20
	case "T", "TiB":
		return v << 20
	}
	return v // M, MiB
}

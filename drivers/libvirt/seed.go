package libvirt

import (
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// sector is the size of a sector of an ISO 9660 image.
const sector = 2048

// seedFiles gives what cloud-init's NoCloud datasource reads. The instance id makes a guest
// whose template has booted run its first boot again.
func seedFiles(uuid string, want *drivers.VMSpec) map[string][]byte {
	meta, _ := json.Marshal(map[string]string{"instance-id": uuid, "local-hostname": hostName(want.Name)}) // strings encode
	return map[string][]byte{"user-data": []byte(want.UserData), "meta-data": append(meta, '\n')}
}

// hostName makes a host's name of a VM's: letters, digits and dashes, 63 at most.
func hostName(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
	if len(plain) > 63 {
		plain = plain[:63]
	}
	if plain = strings.Trim(plain, "-"); plain == "" {
		return "workspace"
	}
	return plain
}

// isoImage makes an ISO 9660 image of a few small files in one folder. Their names are
// written as they are, which is more than the standard allows and what readers take.
func isoImage(label string, files map[string][]byte, order ...string) []byte {
	const descriptor, terminator, littleTable, bigTable, root, first = 16, 17, 18, 19, 20, 21
	folder := append(isoEntry("\x00", root, sector, true), isoEntry("\x01", root, sector, true)...)
	var content []byte
	for _, name := range order {
		at := first + len(content)/sector
		folder = append(folder, isoEntry(name, at, len(files[name]), false)...)
		content = append(content, files[name]...)
		content = append(content, make([]byte, (sector-len(content)%sector)%sector)...)
	}
	image := make([]byte, first*sector+len(content))
	at := func(n int) []byte { return image[n*sector : (n+1)*sector] }

	p := at(descriptor)
	copy(p, "\x01CD001\x01")
	copy(p[8:], strings.Repeat(" ", 64))
	copy(p[40:], label)
	both32(p[80:], len(image)/sector)
	both16(p[120:], 1)
	both16(p[124:], 1)
	both16(p[128:], sector)
	both32(p[132:], 10) // the path table has one entry, the root
	binary.LittleEndian.PutUint32(p[140:], littleTable)
	binary.BigEndian.PutUint32(p[148:], bigTable)
	copy(p[156:], isoEntry("\x00", root, sector, true))
	copy(p[190:], strings.Repeat(" ", 623))
	for _, date := range []int{813, 830, 847, 864} {
		copy(p[date:], strings.Repeat("0", 16))
	}
	p[881] = 1
	copy(at(terminator), "\xffCD001\x01")
	for table, order := range map[int]binary.ByteOrder{littleTable: binary.LittleEndian, bigTable: binary.BigEndian} {
		t := at(table)
		t[0] = 1
		order.PutUint32(t[2:], root)
		order.PutUint16(t[6:], 1)
	}
	copy(at(root), folder)
	copy(image[first*sector:], content)
	return image
}

// isoEntry is a folder's entry for a file.
func isoEntry(name string, at, size int, folder bool) []byte {
	e := make([]byte, (33+len(name)+1)/2*2)
	e[0] = byte(len(e))
	both32(e[2:], at)
	both32(e[10:], size)
	copy(e[18:], []byte{126, 1, 1, 0, 0, 0, 0}) // 2026-01-01: the same image each time
	if folder {
		e[25] = 2
	}
	both16(e[28:], 1)
	e[32] = byte(len(name))
	copy(e[33:], name)
	return e
}

// both32 and both16 write a number in both byte orders.
func both32(b []byte, v int) {
	binary.LittleEndian.PutUint32(b, uint32(v))
	binary.BigEndian.PutUint32(b[4:], uint32(v))
}

func both16(b []byte, v int) {
	binary.LittleEndian.PutUint16(b, uint16(v))
	binary.BigEndian.PutUint16(b[2:], uint16(v))
}

package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Finding is a node that may be a camera.
type Finding struct {
	Device
	Usable  bool     // Find "auto" accepts it
	Holders []string // other programs that have it open, if /proc shows them to this user; at most three
	Err     error    // an error of Find: the node cannot be opened, and only Path and Node are known
}

// Survey returns the capture nodes like List, followed by those that cannot be
// opened. Its own errors are those of Kernel.Nodes.
func Survey(k Kernel) ([]Finding, error) {
	k = orLinux(k)
	all, err := survey(k)
	if err != nil {
		return nil, err
	}
	rank := func(f Finding) int {
		if f.Err != nil {
			return unfitRank + 1
		}
		return f.rank()
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	for i := range all {
		all[i].Usable = rank(all[i]) < unfitRank
		all[i].Holders = k.Holders(all[i].Node)
	}
	return all, nil
}

// survey inspects all nodes, ordered by number. It leaves out nodes that are
// not cameras or disappeared.
func survey(k Kernel) ([]Finding, error) {
	nodes, err := k.Nodes()
	if err != nil {
		return nil, fmt.Errorf("list cameras: %w", err)
	}
	byID := k.ByID()
	var all []Finding
	for _, node := range nodes {
		f := Finding{Device: Device{Path: cmp.Or(byID[node], node), Node: node}}
		f.Err = inspect(k, &f.Device)
		if errors.Is(f.Err, ErrNotCamera) || errors.Is(f.Err, ErrNotFound) || errors.Is(f.Err, ErrUnplugged) {
			continue
		}
		all = append(all, f)
	}
	return all, nil
}

// Labels returns the nodes that may be cameras without opening them. Only Path,
// Node and Card are filled in.
//
// It returns the first node of each device, because the others of a UVC camera
// carry metadata. Some may be no cameras.
func Labels(k Kernel) ([]Device, error) {
	k = orLinux(k)
	nodes, err := k.Nodes()
	if err != nil {
		return nil, fmt.Errorf("list cameras: %w", err)
	}
	byID := k.ByID()
	var all []Device
	for _, node := range nodes {
		if name, index := k.Label(node); index == 0 && !isPipelineNode(name) {
			all = append(all, Device{Path: cmp.Or(byID[node], node), Node: node, Card: name})
		}
	}
	return all, nil
}

// isPipelineNode recognizes by name the up to thirty converters and pipeline
// stages of a Raspberry Pi.
func isPipelineNode(label string) bool {
	return slices.ContainsFunc(append([]string{"bcm2835-codec", "rpivid", "rpi-hevc-dec"}, pipelineDrivers...),
		func(s string) bool { return strings.HasPrefix(label, s) })
}

// StableName returns the name of a camera under /dev/v4l/by-id, which survives
// a replug and a restart; its node if it has none.
func StableName(k Kernel, d Device) string { return cmp.Or(orLinux(k).ByID()[d.Node], d.Node) }

// NodeOf returns the node that a path or link leads to; "" if there is none. It
// does not open the node.
func NodeOf(k Kernel, path string) string {
	node, err := orLinux(k).Resolve(path)
	if err != nil {
		return ""
	}
	return node
}

// sysfsLabel reads the name and the index of a node from sysfs.
func sysfsLabel(sys, node string) (name string, index int) {
	dir := filepath.Join(sys, "class/video4linux", filepath.Base(node))
	index, _ = strconv.Atoi(sysfsAttribute(dir, "index")) // no index file: the device has one node
	return sysfsAttribute(dir, "name"), index
}

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
	Usable  bool     // auto would take it, if it comes first
	Holders []string // other programs that have it open, as far as /proc shows them to this user
	Err     error    // why it could not be looked at, with the errors of Find; then nothing is known but Path and Node
}

// Survey finds the capture nodes like List, and those too that cannot be looked at, which come last.
func Survey(k Kernel) ([]Finding, error) {
	k = orLinux(k)
	all, err := survey(k)
	if err != nil {
		return nil, err
	}
	rank := func(f Finding) int {
		if f.Err != nil {
			return unfit + 1
		}
		return f.rank()
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	for i := range all {
		all[i].Usable = rank(all[i]) < unfit
		all[i].Holders = k.Holders(all[i].Node)
	}
	return all, nil
}

// survey looks at all nodes, in the order of their numbers. What is surely no camera is left out.
func survey(k Kernel) ([]Finding, error) {
	nodes, err := k.Nodes()
	if err != nil {
		return nil, fmt.Errorf("look for cameras: %w", err)
	}
	byID := k.ByID()
	var all []Finding
	for _, node := range nodes {
		f := Finding{Device: Device{Path: cmp.Or(byID[node], node), Node: node}}
		f.Err = look(k, &f.Device)
		if errors.Is(f.Err, ErrNotCamera) || errors.Is(f.Err, ErrNotFound) || errors.Is(f.Err, ErrUnplugged) {
			continue
		}
		all = append(all, f)
	}
	return all, nil
}

// Labels names the nodes that may be cameras without opening any: Path, Node and Card alone are filled in. Of the nodes of one device
// only the first is told, which the others of a UVC camera carry metadata beside. Some of them may turn out to be no cameras.
func Labels(k Kernel) ([]Device, error) {
	k = orLinux(k)
	nodes, err := k.Nodes()
	if err != nil {
		return nil, fmt.Errorf("look for cameras: %w", err)
	}
	byID := k.ByID()
	var all []Device
	for _, node := range nodes {
		if name, index := k.Label(node); index == 0 && !pipelineNode(name) {
			all = append(all, Device{Path: cmp.Or(byID[node], node), Node: node, Card: name})
		}
	}
	return all, nil
}

// pipelineNode knows the nodes of a Raspberry Pi's converters and pipeline stages, of which it has up to thirty, by what they are called.
func pipelineNode(label string) bool {
	return slices.ContainsFunc(append([]string{"bcm2835-codec", "rpivid", "rpi-hevc-dec"}, pipelineDrivers...),
		func(s string) bool { return strings.HasPrefix(label, s) })
}

// NodeOf is the node that a path leads to, without opening it; "" if there is none.
func NodeOf(k Kernel, path string) string {
	node, err := orLinux(k).Resolve(path)
	if err != nil {
		return ""
	}
	return node
}

// label reads what sysfs has of a node.
func label(sys, node string) (name string, index int) {
	dir := filepath.Join(sys, "class/video4linux", filepath.Base(node))
	index, _ = strconv.Atoi(attribute(dir, "index")) // without it, it is its device's only one
	return attribute(dir, "name"), index
}

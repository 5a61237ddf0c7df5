package powercut

import (
	"fmt"
	"iter"
	"maps"
	"path"
	"strings"
)

// State is what a power cut leaves on the disk.
type State struct {
	Ops  int    // number of calls that were done before the cut
	Tree Tree   // content of the root
	Lost string // what of the calls is not on the disk, or not entirely
}

// Disk is the model of a disk. Its zero value is not usable.
type Disk struct {
	root    *node
	byInode map[uint64]*node // of the names that exist
	pending []change         // of names, in order
}

// node is a file or a directory.
type node struct {
	dir     bool
	mode    uint32
	data    string           // of a file
	entries map[string]*node // of a directory

	durableMode    uint32
	durableData    string
	durableEntries map[string]*node
	writes         []Op // since the last sync of the file
}

// change is an atomic change of names that is not certainly on the disk.
type change struct {
	op    Op
	edits []edit
}

type edit struct {
	dir  *node
	name string
	to   *node // nil: the name is removed
}

// NewDisk returns a disk with the content of a directory, all of it durable.
func NewDisk(root string) (*Disk, error) {
	d := &Disk{byInode: map[uint64]*node{}}
	err := walk(root, func(p string, f File, ino uint64) {
		n := newNode(f.Dir, f.Mode)
		n.data, n.durableData = f.Data, f.Data
		if known := d.byInode[ino]; known != nil && !f.Dir {
			n = known // a second name
		}
		d.byInode[ino] = n
		if p == "." {
			d.root = n
			return
		}
		parent, name := d.parent(p)
		parent.entries[name], parent.durableEntries[name] = n, n
	})
	return d, err
}

func newNode(dir bool, mode uint32) *node {
	n := &node{dir: dir, mode: mode, durableMode: mode}
	if dir {
		n.entries, n.durableEntries = map[string]*node{}, map[string]*node{}
	}
	return n
}

// parent returns the directory of a path, nil if there is none.
func (d *Disk) parent(p string) (dir *node, name string) {
	return d.lookup(path.Dir(p)), path.Base(p)
}

func (d *Disk) lookup(p string) *node {
	n := d.root
	for part := range strings.SplitSeq(p, "/") {
		if part == "." {
			continue
		}
		if n == nil || !n.dir {
			return nil
		}
		n = n.entries[part]
	}
	return n
}

// Apply does one call.
func (d *Disk) Apply(op Op) error {
	switch op.Kind {
	case Create, Mkdir:
		n := newNode(op.Kind == Mkdir, op.Mode)
		d.byInode[op.Inode] = n
		return d.rename(op, d.edit(op.Path, n))
	case Link:
		n := d.lookup(op.Path)
		if n == nil {
			return fmt.Errorf("%v: no such file", op)
		}
		return d.rename(op, d.edit(op.To, n))
	case Unlink:
		return d.rename(op, d.edit(op.Path, nil))
	case Rename:
		n := d.lookup(op.Path)
		if op.Path == "" || op.To == "" || n == nil {
			return fmt.Errorf("%v: not within the root", op)
		}
		return d.rename(op, d.edit(op.Path, nil), d.edit(op.To, n))
	}
	n := d.byInode[op.Inode]
	if n == nil {
		return fmt.Errorf("%v: unknown file", op)
	}
	switch op.Kind {
	case Write, Truncate:
		n.data = written(n.data, op, -1)
		n.writes = append(n.writes, op)
	case Chmod:
		n.mode = op.Mode
	case Sync:
		n.durableData, n.durableMode, n.writes = n.data, n.mode, nil
		d.syncNames(n)
	}
	return nil
}

func (d *Disk) edit(p string, to *node) edit {
	dir, name := d.parent(p)
	return edit{dir, name, to}
}

func (d *Disk) rename(op Op, edits ...edit) error {
	for _, e := range edits {
		if e.dir == nil {
			return fmt.Errorf("%v: no such directory", op)
		}
		e.apply(e.dir.entries)
	}
	d.pending = append(d.pending, change{op, edits})
	return nil
}

func (e edit) apply(entries map[string]*node) {
	if e.to == nil {
		delete(entries, e.name)
	} else {
		entries[e.name] = e.to
	}
}

// syncNames makes the changes of names in dir durable, and those before them in
// other directories that a rename connects with it.
func (d *Disk) syncNames(dir *node) {
	dirs := map[*node]bool{dir: true}
	synced := make([]bool, len(d.pending))
	for i := len(d.pending) - 1; i >= 0; i-- {
		for _, e := range d.pending[i].edits {
			synced[i] = synced[i] || dirs[e.dir]
		}
		if synced[i] {
			for _, e := range d.pending[i].edits {
				dirs[e.dir] = true
			}
		}
	}
	var left []change
	for i, c := range d.pending {
		if !synced[i] {
			left = append(left, c)
			continue
		}
		for _, e := range c.edits {
			e.apply(e.dir.durableEntries)
		}
	}
	d.pending = left
}

// written returns data after a write or a truncation. Of a write, only the
// first n bytes are done, unless n is negative.
func written(data string, op Op, n int) string {
	if op.Kind == Truncate {
		return resized(data, int(op.Size))
	}
	b := op.Data
	if n >= 0 {
		b = b[:n]
	}
	offset := int(op.Offset)
	if op.Offset == Append {
		offset = len(data)
	}
	end := offset + len(b)
	whole := resized(data, max(len(data), end))
	return whole[:offset] + string(b) + whole[end:]
}

func resized(data string, size int) string {
	if size <= len(data) {
		return data[:size]
	}
	return data + strings.Repeat("\x00", size-len(data))
}

// Current returns the tree as programs see it.
func (d *Disk) Current() Tree {
	t := Tree{}
	var add func(string, *node)
	add = func(p string, n *node) {
		t[p] = File{n.dir, n.mode, n.data}
		for name, child := range n.entries {
			add(path.Join(p, name), child)
		}
	}
	add(".", d.root)
	return t
}

// maxSubsets is the largest number of pending changes of which all subsets are
// tried. Of more, one at a time is lost or kept, or the last ones are lost.
const maxSubsets = 6

// subsets yields which of n changes are on the disk.
func subsets(n int) iter.Seq[func(i int) bool] {
	return func(yield func(func(int) bool) bool) {
		if n <= maxSubsets {
			for bits := range 1 << n {
				if !yield(func(i int) bool { return bits>>i&1 == 1 }) {
					return
				}
			}
			return
		}
		for k := range n + 1 {
			for _, kept := range []func(int) bool{
				func(i int) bool { return i < k },
				func(i int) bool { return i != k },
				func(i int) bool { return i == k },
			} {
				if !yield(kept) {
					return
				}
			}
		}
	}
}

// Cut yields each state that a power cut can leave now, once.
func (d *Disk) Cut() iter.Seq[State] {
	return func(yield func(State) bool) {
		seen := map[string]bool{}
		for kept := range subsets(len(d.pending)) {
			names, lost := d.names(kept)
			for s := range contents(d.root, names) {
				if key := s.Tree.Key(); !seen[key] {
					seen[key] = true
					s.Lost = strings.TrimPrefix(lost+s.Lost, "; ")
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

// names returns the entries of each directory on the disk, and which changes
// are lost.
func (d *Disk) names(kept func(int) bool) (names map[*node]map[string]*node, lost string) {
	names = map[*node]map[string]*node{}
	for i, c := range d.pending {
		if !kept(i) {
			lost += "; " + c.op.String()
		}
		for _, e := range c.edits {
			if names[e.dir] == nil {
				names[e.dir] = maps.Clone(e.dir.durableEntries)
			}
			if kept(i) {
				e.apply(names[e.dir])
			}
		}
	}
	return names, lost
}

// version is one form in which a file can be on the disk.
type version struct {
	file File
	lost string
}

// contents yields the trees below root with all combinations of the versions of
// their files. A file with two names has one version.
func contents(root *node, names map[*node]map[string]*node) iter.Seq[State] {
	type name struct {
		path string
		node *node
	}
	var all []name
	var files []*node // those with more than one version
	versions := map[*node][]version{}
	var add func(string, *node)
	add = func(p string, n *node) {
		all = append(all, name{p, n})
		if versions[n] == nil {
			if versions[n] = n.versions(); len(versions[n]) > 1 {
				files = append(files, n)
			}
		}
		entries := n.durableEntries
		if names[n] != nil {
			entries = names[n]
		}
		for name, child := range entries {
			add(path.Join(p, name), child)
		}
	}
	add(".", root)
	return func(yield func(State) bool) {
		for choice := make([]int, len(files)); ; {
			chosen, s := map[*node]int{}, State{Tree: Tree{}}
			for i, n := range files {
				chosen[n] = choice[i]
				if lost := versions[n][choice[i]].lost; lost != "" {
					s.Lost += "; " + lost
				}
			}
			for _, e := range all {
				s.Tree[e.path] = versions[e.node][chosen[e.node]].file
			}
			if !yield(s) {
				return
			}
			i := 0
			for ; i < len(files); i++ {
				if choice[i]++; choice[i] < len(versions[files[i]]) {
					break
				}
				choice[i] = 0
			}
			if i == len(files) {
				return
			}
		}
	}
}

// versions returns the forms in which a file can be on the disk.
func (n *node) versions() []version {
	if n.dir {
		return []version{{File{Dir: true, Mode: n.durableMode}, ""}}
	}
	var all []version
	for _, mode := range []uint32{n.mode, n.durableMode} {
		add := func(data, lost string) {
			if mode != n.mode {
				lost += " (and its mode)"
			}
			all = append(all, version{File{Mode: mode, Data: data}, lost})
		}
		add(n.data, "")
		if len(n.writes) > 0 {
			n.unsynced(add)
		}
		if n.mode == n.durableMode {
			break
		}
	}
	return all
}

// unsynced adds the forms of data that is not synced.
func (n *node) unsynced(add func(data, lost string)) {
	file := n.writes[0].Path
	add(n.durableData, "the data of "+file)
	add(resized(n.durableData, len(n.data)), "the data of "+file+", but not its size")
	before := n.durableData
	for i, op := range n.writes {
		if i > 0 {
			add(before, fmt.Sprintf("write %d to %s", i+1, file))
		}
		if op.Kind == Write && len(op.Data) > 1 {
			half := written(before, op, len(op.Data)/2)
			add(half, fmt.Sprintf("half of write %d to %s", i+1, file))
			add(resized(half, len(n.data)), fmt.Sprintf("half of write %d to %s, but not its size", i+1, file))
		}
		before = written(before, op, -1)
	}
}

// Cuts yields the states after each of the calls, and before the first. The
// error is of a call that the model does not understand.
func Cuts(disk *Disk, ops []Op) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for i := range len(ops) + 1 {
			if i > 0 {
				if err := disk.Apply(ops[i-1]); err != nil {
					yield(State{Ops: i}, err)
					return
				}
			}
			for s := range disk.Cut() {
				s.Ops = i
				if !yield(s, nil) {
					return
				}
			}
		}
	}
}

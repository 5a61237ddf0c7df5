// Package powercut finds out what a program leaves on disk if the power fails
// at any of its system calls.
//
//	program ──ptrace──▶ []Op ──▶ disk after each Op ──▶ States ──▶ start the program on each
//
// Start runs the real program and records each system call that changes a file
// below a directory. Cuts then replays the calls on a model of the disk and
// yields every state in which a power cut after each call could leave it. The
// caller starts the program on these states.
//
// A traced program can also have a wall clock of its own, for tests of clocks
// that jump.
//
// The model is a journalling file system that writes data late, and stricter
// than any: it keeps nothing that POSIX does not promise.
//   - A change of a name (create, link, rename, unlink, mkdir) is on disk or
//     not, each independently of the others, until fsync(2) of its directory.
//     A rename is atomic.
//   - Data is on disk entirely, partly, as zeros or not at all until fsync(2)
//     of the file, also if the file's new name is on disk.
//   - What was synced stays.
//
// Guarantees:
//   - Ops holds all changes below the root: a test compares the replayed tree
//     with the real one. A call that is not in the model is an error.
//   - Tracing needs no privileges. Where it is not permitted, Start returns
//     ErrNoPtrace.
//   - The program never outlives this process.
//
// Goroutines: one per Tracer, which owns a thread until the program ends. All
// else is pure.
package powercut

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Kind is what an Op changes.
type Kind string

// The kinds of changes.
const (
	Create   Kind = "create"
	Mkdir    Kind = "mkdir"
	Link     Kind = "link"
	Rename   Kind = "rename"
	Unlink   Kind = "unlink"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Chmod    Kind = "chmod"
	Sync     Kind = "fsync"
)

// Append is the Offset of a write to the end of the file.
const Append = -1

// Op is a successful system call that changes a file. Paths are relative to the
// root, which is ".".
type Op struct {
	Kind   Kind
	Inode  uint64 // of Create, Mkdir, Write, Truncate, Chmod and Sync
	Path   string // "" if it is not below the root
	To     string // of Rename and Link; likewise
	Offset int64  // of Write; may be Append
	Size   int64  // of Truncate
	Mode   uint32 // of Create, Mkdir and Chmod
	Data   []byte // of Write
}

func (o Op) String() string {
	switch o.Kind {
	case Rename, Link:
		return fmt.Sprintf("%s %s to %s", o.Kind, o.Path, o.To)
	case Write:
		return fmt.Sprintf("write %d bytes to %s", len(o.Data), o.Path)
	}
	return fmt.Sprintf("%s %s", o.Kind, o.Path)
}

// File is a regular file or a directory of a Tree.
type File struct {
	Dir  bool
	Mode uint32
	Data string
}

// Tree is the content of a directory, by relative path.
type Tree map[string]File

// ReadTree returns the content of a directory. It leaves out what is neither
// file nor directory, and files that a program renames or removes while it
// reads.
func ReadTree(dir string) (Tree, error) {
	t := Tree{}
	err := walk(dir, func(path string, f File, _ uint64) { t[path] = f })
	return t, err
}

func walk(dir string, found func(path string, f File, ino uint64)) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		f := File{Dir: e.IsDir(), Mode: uint32(info.Mode().Perm())}
		if !f.Dir {
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			f.Data = string(b)
		}
		rel, err := filepath.Rel(dir, path)
		found(rel, f, info.Sys().(*syscall.Stat_t).Ino)
		return err
	})
}

// Write creates the content of t in an existing directory.
func (t Tree) Write(dir string) error {
	for _, path := range slices.Sorted(maps.Keys(t)) { // directories first
		f, full := t[path], filepath.Join(dir, path)
		var err error
		switch {
		case path == ".":
		case f.Dir:
			err = os.Mkdir(full, 0o700)
		default:
			err = os.WriteFile(full, []byte(f.Data), 0o600)
		}
		if err == nil {
			err = os.Chmod(full, fs.FileMode(f.Mode))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Key returns a value that equal trees have in common.
func (t Tree) Key() string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(t)) {
		f := t[path]
		fmt.Fprintf(h, "%q %t %o %q\n", path, f.Dir, f.Mode, f.Data)
	}
	return string(h.Sum(nil))
}

func (t Tree) String() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "  %04o %s", t[path].Mode, path)
		if !t[path].Dir {
			sum := sha256.Sum256([]byte(t[path].Data))
			fmt.Fprintf(&b, " %d bytes %08x", len(t[path].Data), binary.BigEndian.Uint32(sum[:]))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

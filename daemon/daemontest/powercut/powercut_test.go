//go:build linux && (amd64 || arm64)

package powercut

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain runs a writer if this process was started as one.
func TestMain(m *testing.M) {
	if os.Getenv("POWERCUT_WRITER") == "clock" {
		os.Stdout.WriteString(time.Now().Format(time.RFC3339))
		os.Exit(0)
	}
	if w, ok := writers[os.Getenv("POWERCUT_WRITER")]; ok {
		if err := w.write(); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const oldValue, newValue = "the old value", "the new value, which is longer"

// writers replace the file "value" in the current directory, most of them
// wrongly.
var writers = map[string]struct {
	write func() error
	// What a cut must show: a value that is neither old nor new, and the old
	// value after the writer has reported success.
	torn, lost bool
}{
	"correct":                 {replace(true, true), false, false},
	"without fsync":           {replace(false, true), true, false},
	"without directory fsync": {replace(true, false), false, true},
	"in place": {func() error {
		return os.WriteFile("value", []byte(newValue), 0o600)
	}, true, true},
	"in place, synced": {func() error {
		return errors.Join(os.WriteFile("value", []byte(newValue), 0o600), syncFile("value"))
	}, true, false},
	"removed first": {func() error {
		return errors.Join(os.Remove("value"), replace(true, true)())
	}, true, false},
	"fsync after rename": {func() error {
		return errors.Join(replace(false, true)(), syncFile("value"))
	}, true, false},
}

func replace(file, dir bool) func() error {
	return func() error {
		err := os.WriteFile("temporary", []byte(newValue), 0o600)
		if file {
			err = errors.Join(err, syncFile("temporary"))
		}
		err = errors.Join(err, os.Rename("temporary", "value"))
		if dir {
			err = errors.Join(err, syncFile("."))
		}
		return err
	}
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// trace traces a writer to its end.
func trace(t *testing.T, root, writer string, killAt int) *Tracer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The program begins in the root: the shell is what changes its directory.
	tr, err := Start(Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", `cd "$0" && exec "$1"`, root, self},
		Env:  append(os.Environ(), "POWERCUT_WRITER="+writer),
		Root: root, Output: os.Stderr, KillAt: killAt,
	})
	if errors.Is(err, ErrNoPtrace) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	code, err := tr.Wait()
	if want := map[bool]int{true: -1}[killAt > 0]; err != nil || code != want {
		t.Fatalf("got exit code %d, error %v, want %d, nil", code, err, want)
	}
	return tr
}

func withValue(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "value"), []byte(oldValue), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestCuts_wrongWriters(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(writers)) {
		t.Run(name, func(t *testing.T) {
			root := withValue(t)
			disk, err := NewDisk(root)
			if err != nil {
				t.Fatal(err)
			}
			ops := trace(t, root, name, 0).Ops()
			torn, lost, states := false, false, 0
			for s, err := range Cuts(disk, ops) {
				if err != nil {
					t.Fatal(err)
				}
				states++
				value := s.Tree["value"].Data
				if value != oldValue && value != newValue {
					torn = true
				} else if s.Ops == len(ops) && value != newValue {
					lost = true
				}
			}
			if w := writers[name]; torn != w.torn || lost != w.lost || states < len(ops) {
				t.Errorf("%v\n%d states: got a torn value: %v, a lost one: %v, want %v, %v",
					ops, states, torn, lost, w.torn, w.lost)
			}
			got, err := ReadTree(root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, disk.Current()); diff != "" {
				t.Errorf("real tree and replayed calls differ:\n%s", diff)
			}
		})
	}
}

func TestStart_killAt(t *testing.T) {
	calls := trace(t, withValue(t), "correct", 0).Calls()
	var seen []string
	for n := range calls {
		root := withValue(t)
		trace(t, root, "correct", n+1)
		tree, err := ReadTree(root)
		if err != nil {
			t.Fatal(err)
		}
		temporary := "no temporary"
		if f, ok := tree["temporary"]; ok {
			temporary = map[bool]string{true: "an empty temporary", false: "a temporary"}[f.Data == ""]
		}
		seen = append(seen, tree["value"].Data+", "+temporary)
	}
	want := []string{
		oldValue + ", no temporary",       // before the temporary file is created
		oldValue + ", an empty temporary", // before it is written
		oldValue + ", a temporary",        // before it is synced
		oldValue + ", a temporary",        // before the rename
		newValue + ", no temporary",       // before the directory is synced
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("trees after a kill before each call (-want +got):\n%s", diff)
	}
}

func TestCut_namesAreIndependent(t *testing.T) {
	root := withValue(t)
	disk, err := NewDisk(root)
	if err != nil {
		t.Fatal(err)
	}
	var last []State
	for s, err := range Cuts(disk, []Op{
		{Kind: Link, Path: "value", To: "kept"},
		{Kind: Mkdir, Inode: 1, Path: "dir", Mode: 0o700},
		{Kind: Create, Inode: 2, Path: "dir/new", Mode: 0o600},
		{Kind: Write, Inode: 2, Path: "dir/new", Offset: Append, Data: []byte("ab")},
		{Kind: Sync, Inode: 2, Path: "dir/new"},
		{Kind: Sync, Inode: 1, Path: "dir"},
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Ops == 6 {
			last = append(last, s)
		}
	}
	// The file in dir is durable, but not the name of dir.
	for _, s := range last {
		if _, ok := s.Tree["dir"]; ok && s.Tree["dir/new"].Data != "ab" {
			t.Errorf("lost %q: got\n%vwant dir/new", s.Lost, s.Tree)
		}
	}
	if len(last) != 4 {
		t.Errorf("got %d states, want 4: kept and dir are each there or not", len(last))
	}
}

// A Go program reads the wall clock of its own.
func TestStart_clock(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	const year = 365 * 24 * time.Hour
	var clock atomic.Int64
	clock.Store(-int64(20 * year))
	tr, err := Start(Command{Path: self, Args: []string{self}, Env: append(os.Environ(), "POWERCUT_WRITER=clock"),
		Root: withValue(t), Output: out, Clock: &clock})
	if errors.Is(err, ErrNoPtrace) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, err := tr.Wait(); code != 0 || err != nil {
		t.Fatalf("got exit code %d, error %v", code, err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	got, err := time.Parse(time.RFC3339, string(text))
	if want := time.Now().Add(-20 * year); err != nil || got.Sub(want).Abs() > time.Hour {
		t.Errorf("got time %q, %v, want about %v", text, err, want)
	}
}

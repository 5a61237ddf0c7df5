//go:build linux && (amd64 || arm64)

package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNoPtrace reports that this process may not trace its children, as in some
// containers.
var ErrNoPtrace = errors.New("ptrace not permitted")

// Command is a program to trace.
type Command struct {
	Path   string   // of the program
	Args   []string // with the name of the program
	Env    []string
	Root   string // the directory whose changes count, without symbolic links
	Output *os.File
	KillAt int // kill the program before call number KillAt, from 1; 0: never
	// EveryCall makes KillAt count all system calls of the program, not only
	// those that change a file below Root.
	EveryCall bool
	// Clock is added to what the program reads from CLOCK_REALTIME. It may
	// change while the program runs, as the wall clock jumps. nil: no change.
	// Children of the program are not traced then.
	Clock *atomic.Int64 // nanoseconds
}

// Tracer is a traced program. Its methods are safe for concurrent use.
type Tracer struct {
	pid  int
	done chan struct{} // closed when the program has ended

	mu    sync.Mutex
	ops   []Op
	calls int // number of system calls, as KillAt counts them
	exit  syscall.WaitStatus
	err   error
}

// Start starts a program with all its system calls traced. The caller must wait
// for its end. Errors: ErrNoPtrace.
func Start(c Command) (*Tracer, error) {
	t := &Tracer{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// ptrace(2) knows threads, not processes. The thread is not unlocked:
		// it ends with this goroutine, and with it the program.
		runtime.LockOSThread()
		l := &loop{Tracer: t, Command: c, entered: map[int]*call{}, known: map[int]bool{}}
		if err := l.start(); err != nil {
			started <- err
			return
		}
		started <- nil
		l.run()
	}()
	return t, <-started
}

// Ops returns the changes so far, in order.
func (t *Tracer) Ops() []Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ops[:len(t.ops):len(t.ops)]
}

// Calls returns the number of system calls so far, as Command.KillAt counts
// them.
func (t *Tracer) Calls() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls
}

// Signal sends a signal to the program, unless it has ended.
func (t *Tracer) Signal(s syscall.Signal) {
	select {
	case <-t.done:
	default:
		_ = syscall.Kill(t.pid, s)
	}
}

// Done returns a channel that is closed when the program has ended.
func (t *Tracer) Done() <-chan struct{} { return t.done }

// Wait waits for the end of the program and returns its exit code, or -1 if it
// was killed. The error is about tracing.
func (t *Tracer) Wait() (int, error) {
	<-t.done
	if t.exit.Exited() {
		return t.exit.ExitStatus(), t.err
	}
	return -1, t.err
}

// loop is the tracer's thread.
type loop struct {
	*Tracer
	Command
	entered map[int]*call // by thread: between entry and exit
	known   map[int]bool  // threads that have stopped once
}

// call is a system call in progress that changes files. finish returns the
// changes, given the result.
type call struct {
	finish func(result int64) []Op
	clock  bool // it reads the clock, and does not count
}

// traceOptions mark the stops of system calls (SIGTRAP|0x80), follow threads
// and children, and kill the program if the tracer dies.
const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL

func (l *loop) start() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	l.pid, err = syscall.ForkExec(l.Path, l.Args, &syscall.ProcAttr{
		Env:   l.Env,
		Files: []uintptr{null.Fd(), l.Output.Fd(), l.Output.Fd()},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		return fmt.Errorf("%w: %w", ErrNoPtrace, err)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", l.Path, err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(l.pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return fmt.Errorf("%w: status %#x: %w", ErrNoPtrace, ws, errors.Join(err, errStart))
	}
	l.known[l.pid] = true
	options := traceOptions
	if l.Clock != nil {
		options &^= unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
		if err := l.withoutVDSO(); err != nil {
			return err
		}
	}
	if err := unix.PtraceSetOptions(l.pid, options); err != nil {
		return fmt.Errorf("%w: %w", ErrNoPtrace, err)
	}
	return unix.PtraceSyscall(l.pid, 0)
}

var errStart = errors.New("program did not stop at its start")

// run resumes each thread that stops, until the program has ended.
func (l *loop) run() {
	defer close(l.done)
	for {
		var ws unix.WaitStatus
		// WNOTHREAD: other children of this process are not ours.
		tid, err := unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			l.err = errors.Join(l.err, fmt.Errorf("wait for threads: %w", err))
			return
		}
		if ws.Exited() || ws.Signaled() {
			delete(l.entered, tid)
			if tid == l.pid {
				l.exit = syscall.WaitStatus(ws)
				return
			}
			continue
		}
		signal := 0
		switch s := ws.StopSignal(); {
		case s == unix.SIGTRAP|0x80:
			if l.stopped(tid) {
				_ = syscall.Kill(l.pid, syscall.SIGKILL)
				continue
			}
		case ws>>16 != 0: // an event of traceOptions
		case !l.known[tid] && s == unix.SIGSTOP: // the start of a thread
		default:
			signal = int(s)
		}
		l.known[tid] = true
		// ESRCH: it was killed in the meantime.
		if err := unix.PtraceSyscall(tid, signal); err != nil && err != unix.ESRCH {
			l.err = errors.Join(l.err, fmt.Errorf("resume a thread: %w", err))
		}
	}
}

// withoutVDSO lets the program read clocks by system calls, which can be
// traced: it removes AT_SYSINFO_EHDR from the auxiliary vector, above the
// environment on the stack.
func (l *loop) withoutVDSO() error {
	info, err := l.info(l.pid)
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", l.pid), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoPtrace, err)
	}
	defer mem.Close()
	const sysinfoEHDR, ignore = 33, 1 // elf.h
	word := make([]byte, 8)
	at := int64(info.stack)
	for skip := 3; ; at += 8 { // the number of arguments; they and the environment end with 0
		if _, err := mem.ReadAt(word, at); err != nil {
			return fmt.Errorf("read the auxiliary vector: %w", err)
		}
		switch v := binary.NativeEndian.Uint64(word); {
		case skip == 3:
			skip-- // the number
		case skip > 0 && v == 0:
			skip--
		case skip == 0 && v == 0:
			return nil // no vDSO
		case skip == 0 && v == sysinfoEHDR:
			binary.NativeEndian.PutUint64(word, ignore)
			_, err := mem.WriteAt(word, at)
			return err
		case skip == 0:
			at += 8 // the value
		}
	}
}

// clock returns a reading of the clock whose result is changed.
func (l *loop) clock(tid int, address uint64) *call {
	return &call{clock: true, finish: func(int64) []Op {
		var t unix.Timespec
		b := unsafe.Slice((*byte)(unsafe.Pointer(&t)), unsafe.Sizeof(t))
		mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", tid), os.O_RDWR, 0)
		if err == nil {
			defer mem.Close()
			_, err = mem.ReadAt(b, int64(address))
		}
		if err == nil {
			t = unix.NsecToTimespec(t.Nano() + l.Clock.Load())
			_, err = mem.WriteAt(b, int64(address))
		}
		if err != nil {
			l.err = errors.Join(l.err, fmt.Errorf("change the clock: %w", err))
		}
		return nil
	}}
}

// syscallInfo is struct ptrace_syscall_info of linux/ptrace.h.
type syscallInfo struct {
	op    uint8
	_     [3]uint8
	arch  uint32
	_     uint64 // instruction pointer
	stack uint64
	data  [8]uint64 // entry: number and arguments; exit: result, is_error
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	atEntry        = 1
	atExit         = 2
)

func (l *loop) info(tid int) (info syscallInfo, err error) {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		err = fmt.Errorf("%w: read a system call: %w", ErrNoPtrace, errno)
	}
	return info, err
}

// stopped handles the entry or the exit of a system call. It reports whether
// the program is to be killed here.
func (l *loop) stopped(tid int) (kill bool) {
	info, err := l.info(tid)
	if errors.Is(err, unix.ESRCH) {
		return false // it was killed
	}
	if err != nil {
		l.err = errors.Join(l.err, err)
		return false
	}
	switch info.op {
	case atEntry:
		c := l.entry(tid, info.data[0], info.data[1:7])
		l.mu.Lock()
		defer l.mu.Unlock()
		if c != nil && !c.clock || l.EveryCall {
			l.calls++
			kill = l.calls == l.KillAt
		}
		if c != nil {
			l.entered[tid] = c
		}
	case atExit:
		c := l.entered[tid]
		delete(l.entered, tid)
		if c == nil || int64(info.data[0]) < 0 {
			return false
		}
		ops := c.finish(int64(info.data[0]))
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ops = append(l.ops, ops...)
	}
	return kill
}

// entry returns the call that a thread begins, or nil if it changes nothing
// below the root.
func (l *loop) entry(tid int, number uint64, a []uint64) *call {
	number, a = atForm(number, a)
	switch number {
	case unix.SYS_CLOCK_GETTIME:
		if l.Clock != nil && a[0] == unix.CLOCK_REALTIME {
			return l.clock(tid, a[1])
		}
	case unix.SYS_OPENAT:
		return l.open(tid, a[0], a[1], a[2])
	case unix.SYS_OPENAT2:
		how := l.bytes(tid, a[2], 8)
		if len(how) < 8 {
			return nil
		}
		return l.open(tid, a[0], a[1], binary.NativeEndian.Uint64(how))
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		return l.write(tid, number, a)
	case unix.SYS_FTRUNCATE:
		if ino, path := l.file(tid, a[0]); path != "" {
			return l.always(Op{Kind: Truncate, Inode: ino, Path: path, Size: int64(a[1])})
		}
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		if ino, path := l.file(tid, a[0]); path != "" {
			return l.always(Op{Kind: Sync, Inode: ino, Path: path})
		}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		from, to := l.path(tid, a[0], a[1]), l.path(tid, a[2], a[3])
		if from != "" || to != "" {
			return l.always(Op{Kind: Rename, Path: from, To: to})
		}
	case unix.SYS_LINKAT:
		if to := l.path(tid, a[2], a[3]); to != "" {
			return l.always(Op{Kind: Link, Path: l.path(tid, a[0], a[1]), To: to})
		}
	case unix.SYS_UNLINKAT:
		if path := l.path(tid, a[0], a[1]); path != "" {
			return l.always(Op{Kind: Unlink, Path: path})
		}
	case unix.SYS_MKDIRAT:
		if path := l.path(tid, a[0], a[1]); path != "" {
			return &call{finish: func(int64) []Op { return l.created(Mkdir, path) }}
		}
	case unix.SYS_FCHMOD:
		if ino, path := l.file(tid, a[0]); path != "" {
			return l.always(Op{Kind: Chmod, Inode: ino, Path: path, Mode: uint32(a[1])})
		}
	case unix.SYS_FCHMODAT:
		if path := l.path(tid, a[0], a[1]); path != "" {
			ino := inodeOf(filepath.Join(l.Root, path))
			return l.always(Op{Kind: Chmod, Inode: ino, Path: path, Mode: uint32(a[2])})
		}
	case unix.SYS_SYMLINKAT, unix.SYS_MKNODAT, unix.SYS_FALLOCATE, unix.SYS_WRITEV, unix.SYS_PWRITEV:
		return l.unsupported(tid, number, a)
	}
	return nil
}

func (l *loop) always(op Op) *call { return &call{finish: func(int64) []Op { return []Op{op} }} }

// unsupported records an error if a call that the model does not have changes
// something below the root.
func (l *loop) unsupported(tid int, number uint64, a []uint64) *call {
	var path string
	switch number {
	case unix.SYS_SYMLINKAT:
		path = l.path(tid, a[1], a[2])
	case unix.SYS_MKNODAT:
		path = l.path(tid, a[0], a[1])
	default:
		_, path = l.file(tid, a[0])
	}
	if path == "" {
		return nil
	}
	return &call{finish: func(int64) []Op {
		l.err = errors.Join(l.err, fmt.Errorf("system call %d on %s: not in the model", number, path))
		return nil
	}}
}

// created returns the creation of a file with the mode that it got: the umask
// of the program is not known.
func (l *loop) created(kind Kind, path string) []Op {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(l.Root, path), &st); err != nil {
		l.err = errors.Join(l.err, fmt.Errorf("%s %s: %w", kind, path, err))
		return nil
	}
	return []Op{{Kind: kind, Inode: st.Ino, Path: path, Mode: st.Mode & 0o777}}
}

func (l *loop) open(tid int, dir, name, flags uint64) *call {
	path := l.path(tid, dir, name)
	if path == "" || flags&unix.O_ACCMODE == unix.O_RDONLY && flags&(unix.O_CREAT|unix.O_TRUNC) == 0 {
		return nil
	}
	full := filepath.Join(l.Root, path)
	before := inodeOf(full)
	return &call{finish: func(int64) []Op {
		switch after := inodeOf(full); {
		case after != before:
			return l.created(Create, path)
		case flags&unix.O_TRUNC != 0:
			return []Op{{Kind: Truncate, Inode: after, Path: path}}
		}
		return nil
	}}
}

func (l *loop) write(tid int, number uint64, a []uint64) *call {
	ino, path := l.file(tid, a[0])
	if path == "" {
		return nil
	}
	data := l.bytes(tid, a[1], int(a[2]))
	offset := int64(a[3])
	if number == unix.SYS_WRITE {
		offset = l.offset(tid, a[0])
	}
	return &call{finish: func(n int64) []Op {
		return []Op{{Kind: Write, Inode: ino, Path: path, Offset: offset, Data: data[:n]}}
	}}
}

// file returns an open file below the root, or "" if it is not there. The root
// itself is ".".
func (l *loop) file(tid int, fd uint64) (ino uint64, path string) {
	link := fmt.Sprintf("/proc/%d/fd/%d", tid, int32(fd))
	path, err := os.Readlink(link)
	if err != nil {
		return 0, ""
	}
	path = strings.TrimSuffix(path, " (deleted)")
	return inodeOf(link), l.below(path)
}

// path returns a path of an argument relative to the root, or "" if it is not
// below it.
func (l *loop) path(tid int, dir, name uint64) string {
	b := l.bytes(tid, name, unix.PathMax)
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return ""
	}
	path := string(b[:end])
	if !filepath.IsAbs(path) {
		base := fmt.Sprintf("/proc/%d/cwd", tid)
		if int32(dir) != unix.AT_FDCWD {
			base = fmt.Sprintf("/proc/%d/fd/%d", tid, int32(dir))
		}
		base, err := os.Readlink(base)
		if err != nil {
			return ""
		}
		path = filepath.Join(base, path)
	}
	return l.below(path)
}

func (l *loop) below(path string) string {
	rel, err := filepath.Rel(l.Root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return ""
	}
	return rel
}

// bytes returns up to n bytes of the memory of a thread.
func (l *loop) bytes(tid int, address uint64, n int) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", tid))
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, n)
	// Less than n bytes are no error: a text may be at the end of a page.
	const page = 4096
	got := 0
	for got < n {
		step := min(n-got, page-int((address+uint64(got))%page))
		m, err := f.ReadAt(b[got:got+step], int64(address)+int64(got))
		got += m
		if err != nil && err != io.EOF || m == 0 {
			break
		}
		if n == unix.PathMax && bytes.IndexByte(b[:got], 0) >= 0 {
			break
		}
	}
	return b[:got]
}

// offset returns where a write(2) begins.
func (l *loop) offset(tid int, fd uint64) int64 {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", tid, int32(fd)))
	if err != nil {
		return 0
	}
	var pos int64
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "pos":
			pos, _ = strconv.ParseInt(value, 10, 64)
		case "flags":
			if flags, _ := strconv.ParseInt(value, 8, 64); flags&unix.O_APPEND != 0 {
				return Append
			}
		}
	}
	return pos
}

// inodeOf returns the inode number of a file, 0 if there is none.
func inodeOf(path string) uint64 {
	var st unix.Stat_t
	var err error
	if strings.HasPrefix(path, "/proc/") {
		err = unix.Stat(path, &st) // through the link
	} else {
		err = unix.Lstat(path, &st)
	}
	if err != nil {
		return 0
	}
	return st.Ino
}

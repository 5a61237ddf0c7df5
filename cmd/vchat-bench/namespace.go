package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace without a name in the file system: the
// kernel frees it and its devices with the last descriptor. nil is this
// process's own.
type namespace struct{ file *os.File }

func newNamespace(ctx context.Context) (*namespace, error) {
	type result struct {
		n   *namespace
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread stays in the namespace and ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{err: fmt.Errorf("create network namespace: %w", err)}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{&namespace{f}, err}
	}()
	r := <-made
	if r.err != nil {
		return nil, r.err
	}
	if err := r.n.ip(ctx, "link set lo up"); err != nil {
		r.n.close()
		return nil, err
	}
	return r.n, nil
}

func (n *namespace) close() { n.file.Close() }

// do runs f on a thread in the namespace. So are the sockets that f opens and
// the processes that it starts.
func (n *namespace) do(f func() error) error {
	if n == nil {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		err = f()
		// The thread must survive: PR_SET_PDEATHSIG ends its children with it.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// ip and tc run the program of that name in the namespace. Arguments are
// separated by blanks.
func (n *namespace) ip(ctx context.Context, args string) error { return n.tool(ctx, "ip", args) }
func (n *namespace) tc(ctx context.Context, args string) error { return n.tool(ctx, "tc", args) }

func (n *namespace) tool(ctx context.Context, name, args string) error {
	return n.do(func() error {
		_, err := output(ctx, append([]string{name}, strings.Fields(args)...)...)
		return err
	})
}

// path returns the namespace's path for other programs while this process runs.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

const congestionFile = "/proc/sys/net/ipv4/tcp_congestion_control"

// setCongestion sets TCP's congestion control. The default is cubic, as
// Linux's, so that runs can be compared. Where the machine has another default,
// the kernel may forbid cubic in namespaces (EPERM); then that default stays.
func (n *namespace) setCongestion(name string) error {
	return n.do(func() error {
		if name == "" {
			_ = os.WriteFile(congestionFile, []byte("cubic"), 0o644)
			return nil
		}
		if err := os.WriteFile(congestionFile, []byte(name), 0o644); err != nil {
			return fmt.Errorf("set TCP congestion control %s: %w", name, err)
		}
		return nil
	})
}

// congestion returns TCP's congestion control.
func (n *namespace) congestion() (name string) {
	_ = n.do(func() error {
		b, err := os.ReadFile(congestionFile)
		name = strings.TrimSpace(string(b))
		return err
	})
	return name
}

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own. It has no name in the file system: the kernel frees it, with its devices, when nobody
// holds it any more. A nil one is the network that this process is in.
type namespace struct{ file *os.File }

func newNamespace(ctx context.Context) (*namespace, error) {
	type result struct {
		n   *namespace
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread, which is in the new namespace, ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{err: fmt.Errorf("unshare the network: %w", err)}
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

// do runs f on a thread that is in the namespace: sockets that it opens and processes that it starts are in it, too.
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
			done <- fmt.Errorf("enter the namespace: %w", err)
			return
		}
		err = f()
		// The thread has to live on: with it would die the processes that it has started (PR_SET_PDEATHSIG).
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// ip runs the program of this name, and tc that one, with arguments that hold no blanks.
func (n *namespace) ip(ctx context.Context, args string) error { return n.tool(ctx, "ip", args) }
func (n *namespace) tc(ctx context.Context, args string) error { return n.tool(ctx, "tc", args) }

func (n *namespace) tool(ctx context.Context, name, args string) error {
	return n.do(func() error {
		_, err := output(ctx, append([]string{name}, strings.Fields(args)...)...)
		return err
	})
}

// path is where others find the namespace while this process lives.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

const congestionFile = "/proc/sys/net/ipv4/tcp_congestion_control"

// congestion chooses TCP's congestion control. Without a wish it is cubic, Linux's default, so that runs can be compared; on
// a machine that has another default the kernel may keep cubic from namespaces (EPERM), and then it is that default.
func (n *namespace) congestion(wish string) error {
	return n.do(func() error {
		if wish == "" {
			_ = os.WriteFile(congestionFile, []byte("cubic"), 0o644)
			return nil
		}
		if err := os.WriteFile(congestionFile, []byte(wish), 0o644); err != nil {
			return fmt.Errorf("TCP's congestion control %s: %w", wish, err)
		}
		return nil
	})
}

// usesCongestion tells what TCP's congestion control is.
func (n *namespace) usesCongestion() (name string) {
	_ = n.do(func() error {
		b, err := os.ReadFile(congestionFile)
		name = strings.TrimSpace(string(b))
		return err
	})
	return name
}

package doctest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a step may take. It is far more than any takes.
const patience = 3 * time.Minute

// A step is a command line that a user types, and what they then see and do.
type step struct {
	on   string // the device, in a session of two
	line string // as in a document; "" if no document has it
	as   string // what is run, if the document's line has a placeholder or does not end by itself
	want string // regexp: what the terminal shows next
	keys string // typed then
	goes bool   // it goes on: the next step with the same line continues it
	exit int    // its exit code
	tool string // the step needs this program of others; CI has curl and ffmpeg
}

// A session runs steps on terminals, one for each command.
type session struct {
	t       *testing.T
	enter   func(device string) []string // the command that runs a shell there
	env     []string
	dir     string
	values  map[string]string // replaced in what is run: CODE, URL, ID, TMP
	running map[string]*terminal
}

func (s *session) run(steps []step) {
	s.running = map[string]*terminal{}
	s.t.Cleanup(func() {
		for _, term := range s.running {
			term.kill()
		}
	})
	for _, step := range steps {
		if step.tool != "" {
			if _, err := exec.LookPath(step.tool); err != nil {
				if os.Getenv("VCHAT_TEST_TOOLS") != "" && (step.tool == "curl" || step.tool == "ffmpeg") {
					s.t.Fatal(err)
				}
				s.t.Logf("not run, because %s is not installed: %s", step.tool, step.line)
				continue
			}
		}
		s.step(step)
	}
}

func (s *session) step(step step) {
	s.t.Helper()
	command := step.line
	if step.as != "" {
		command = step.as
	}
	for name, value := range s.values {
		command = strings.ReplaceAll(command, name, value)
	}
	key := step.on + ": " + step.line + step.as
	term := s.running[key]
	if term == nil {
		term = newTerminal(s.t, append(s.enter(step.on), command), s.dir, s.env)
		s.running[key] = term
	}
	if !term.shows(step.want) {
		s.t.Fatalf("%s: got no %q in:\n%s", key, step.want, term.text())
	}
	s.remember(term.text())
	term.write(step.keys)
	if step.goes {
		return
	}
	delete(s.running, key)
	if got := term.wait(); got != step.exit {
		s.t.Fatalf("%s: got exit code %d, want %d, and:\n%s", key, got, step.exit, term.text())
	}
	s.remember(term.text())
}

// remember keeps what later steps use: the code of a pairing, the URL of a
// feed, the id of a device.
func (s *session) remember(text string) {
	for name, pattern := range map[string]string{
		"CODE": `code (\d{3} \d{3})`,
		"URL":  `(http://127\.0\.0\.1:7452/\S+)`,
		"ID":   `\b((?:[A-Z0-9]{5}-){11}[A-Z0-9]{5})\b`,
	} {
		if m := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1); m != nil {
			s.values[name] = strings.ReplaceAll(m[len(m)-1][1], " ", "")
		}
	}
}

// A terminal runs one command on a terminal of its own, by script(1).
type terminal struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	ended  chan struct{}
	mu     sync.Mutex
	output bytes.Buffer
	seen   int // bytes of output that a step has matched
}

func newTerminal(t *testing.T, argv []string, dir string, env []string) *terminal {
	t.Helper()
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	term := &terminal{ended: make(chan struct{})}
	term.cmd = exec.Command("script", "-qefc", "stty cols 80 rows 24; exec "+strings.Join(quoted, " "), "/dev/null")
	term.cmd.WaitDelay = 5 * time.Second
	term.cmd.Dir, term.cmd.Env = dir, append(os.Environ(), env...)
	term.cmd.Stdout, term.cmd.Stderr = term, term
	// The tests may be a background job that ignores Ctrl-C. What they start
	// would ignore it too, if nothing here received it.
	if signal.Ignored(os.Interrupt) {
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	var err error
	if term.stdin, err = term.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.ended)
		_ = term.cmd.Wait()
	}()
	return term
}

// Write adds output.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output.Write(p)
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output.String()
}

// shows waits until new output matches, and reports whether it did.
func (t *terminal) shows(pattern string) bool {
	want := regexp.MustCompile("(?m)" + pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		over := time.Now().After(deadline)
		select {
		case <-t.ended:
			over = true
		default:
		}
		text := t.text()
		if m := want.FindStringIndex(text[t.seen:]); m != nil {
			t.seen += m[1]
			return true
		}
		if over {
			return false
		}
	}
}

func (t *terminal) write(keys string) { _, _ = io.WriteString(t.stdin, keys) }

// wait returns the exit code, or -1 after patience.
func (t *terminal) wait() int {
	select {
	case <-t.ended:
	case <-time.After(patience):
		t.kill()
		return -1
	}
	return t.cmd.ProcessState.ExitCode()
}

// kill ends the terminal, and by that what runs on it.
func (t *terminal) kill() {
	if err := t.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	<-t.ended
}

package camera

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// file plays frames that stand one behind the other in a file, for ever from the beginning.
type file struct {
	source
	f    *os.File
	path string
	cut  *mjpeg.Splitter
	pace *pacer
	seq  uint64
	any  bool // a frame since the beginning
}

// maxFrame is how many bytes a frame of a file or a command may have.
const maxFrame = 16 << 20

func openFile(s source, path string) (*file, error) {
	info, err := os.Stat(path) // before the open, which would wait for a pipe's writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("play %s: %w", path, errors.Join(errNoFrame, errors.New("it is not a file")))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &file{source: s, f: f, path: path, cut: mjpeg.NewSplitter(f, maxFrame), pace: newPacer(s.cfg.FPS)}, nil
}

func (p *file) about() about {
	return about{device: "file:" + p.path, format: "mjpeg", fps: float64(p.cfg.FPS)}
}

func (p *file) next(wait time.Duration) (*frame.Frame, error) {
	if _, err := p.pace.wait(wait); err != nil {
		return nil, err
	}
	b, info, err := p.read()
	if err != nil {
		return nil, err
	}
	f := jpegFrame(p.pool, b, info)
	p.seq++
	f.Seq, f.Captured = p.seq, p.cfg.now()
	f.Arrived = f.Captured
	return f, nil
}

// read gives the next frame, from the beginning again after the last.
func (p *file) read() ([]byte, mjpeg.Info, error) {
	for {
		b, info, err := p.cut.Next()
		switch {
		case err == nil:
			p.any = true
			return b, info, nil
		case err != io.EOF:
			return nil, info, fmt.Errorf("play %s: %w", p.path, err)
		case !p.any:
			_, why := p.cut.Skipped()
			return nil, info, fmt.Errorf("play %s: %w", p.path, errors.Join(errNoFrame, why))
		}
		if _, err := p.f.Seek(0, io.SeekStart); err != nil {
			return nil, info, err
		}
		p.cut, p.any = mjpeg.NewSplitter(p.f, maxFrame), false
	}
}

func (p *file) restart() error  { return errors.ErrUnsupported }
func (p *file) silence() error  { return errSilent }
func (p *file) whySlow() string { return "" }
func (p *file) wake()           { p.pace.wake() }
func (p *file) close()          { p.f.Close() }

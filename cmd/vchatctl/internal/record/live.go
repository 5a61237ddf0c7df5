package record

import (
	"bytes"
	"time"

	"github.com/at-wat/ebml-go"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// Live makes a Matroska stream for a player that shows frames as they come.
//
//	EBML  Segment (unknown size)
//	      ├ Info      without a duration
//	      ├ Tracks
//	      └ Cluster   one frame, with its capture time
//
// Each cluster is a single frame of known size: a player needs no byte of the
// next frame to show this one. The zero value is ready to use, by one goroutine
// at a time.
type Live struct {
	begun bool
	start time.Duration // capture time of the first frame
	last  int64         // time of the last frame, in ms
}

// liveInfo is info without what is known only at the end.
type liveInfo struct {
	Info struct {
		Scale  uint64    `ebml:"TimecodeScale"` // ns
		Muxer  string    `ebml:"MuxingApp"`
		Writer string    `ebml:"WritingApp"`
		Date   time.Time `ebml:"DateUTC,size=8"`
	} `ebml:"Info"`
}

// AppendFrame appends to dst what a frame adds to the stream. Times always
// increase, by at least a millisecond, whatever the capture times do. The error
// is that of a first frame whose size cannot be read; the next frame may be the
// first one then.
func (l *Live) AppendFrame(dst []byte, f *client.Frame) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	captured := captureTime(f)
	now := l.last + 1
	if l.begun {
		now = max(now, (captured - l.start).Round(time.Millisecond).Milliseconds())
	} else {
		if err := writeLiveHeader(out, f); err != nil {
			return dst, err
		}
		now = 0
	}
	var cluster struct {
		Cluster struct {
			Time  uint64     `ebml:"Timecode"`
			Block ebml.Block `ebml:"SimpleBlock"`
		} `ebml:"Cluster"`
	}
	cluster.Cluster.Time = uint64(now)
	cluster.Cluster.Block = ebml.Block{TrackNumber: trackNumber, Keyframe: true, Data: [][]byte{f.Data}}
	if err := marshal(out, &cluster); err != nil {
		return dst, err
	}
	if !l.begun {
		l.begun, l.start = true, captured
	}
	l.last = now
	return out.Bytes(), nil
}

func writeLiveHeader(out *bytes.Buffer, first *client.Frame) error {
	h, err := mjpeg.Check(first.Data)
	if err != nil {
		return err
	}
	if err := writeHead(out); err != nil {
		return err
	}
	var i liveInfo
	i.Info.Scale, i.Info.Muxer, i.Info.Writer = 1e6, muxer, "vchatctl view"
	i.Info.Date = first.Captured
	if err := marshal(out, &i); err != nil {
		return err
	}
	return writeTracks(out, h, first.Rotate)
}

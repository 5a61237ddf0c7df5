package record

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/at-wat/ebml-go"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// matroska is a file of RFC 9559 with one track of V_MJPEG.
//
//	EBML  Segment (of unknown size)
//	      ├ Void        room for the SeekHead
//	      ├ Info        its Duration is 0 until the end
//	      ├ Tracks
//	      ├ Cluster     (of unknown size) of a second
//	      │ └ SimpleBlock  a frame, and so on
//	      └ Cues        at the end: where every fifth second is
//
// The writer of the library that lays out the elements is not used: it hands each frame to a goroutine, so that an error of the
// disk is told to nobody who could act on it.
type matroska struct {
	size     int64 // of what was appended so far
	segment  int64 // where positions are counted from
	seek     int64 // where the Void for the SeekHead is
	tracks   int64
	info     int64
	duration int64 // where its eight bytes are

	cluster int64 // when the present one begins, ms
	last    int64 // when the last frame was taken, ms
	cues    []cue
}

type cue struct {
	Time  uint64 `ebml:"CueTime"`
	Track struct {
		Track   uint64 `ebml:"CueTrack"`
		Cluster uint64 `ebml:"CueClusterPosition"`
	} `ebml:"CueTrackPositions"`
}

const (
	clusterFor = 1000 // ms
	cueEvery   = 5000 // ms, so that those of a week fit into memory
	seekRoom   = 96   // bytes for the SeekHead, which takes 65 at most
	track      = 1
)

type ebmlHead struct {
	EBML struct {
		Version     uint64 `ebml:"EBMLVersion"`
		ReadVersion uint64 `ebml:"EBMLReadVersion"`
		MaxID       uint64 `ebml:"EBMLMaxIDLength"`
		MaxSize     uint64 `ebml:"EBMLMaxSizeLength"`
		Type        string `ebml:"EBMLDocType"`
		TypeVersion uint64 `ebml:"EBMLDocTypeVersion"`
		TypeRead    uint64 `ebml:"EBMLDocTypeReadVersion"`
	} `ebml:"EBML"`
	Segment struct{} `ebml:"Segment,size=unknown"`
}

type info struct {
	Info struct {
		Scale    uint64    `ebml:"TimecodeScale"` // ns
		Muxer    string    `ebml:"MuxingApp"`
		Writer   string    `ebml:"WritingApp"`
		Begun    time.Time `ebml:"DateUTC,size=8"`
		Duration float64   `ebml:"Duration"` // the last one: see head
	} `ebml:"Info"`
}

type tracks struct {
	Tracks struct {
		Entry struct {
			Number uint64 `ebml:"TrackNumber"`
			UID    uint64 `ebml:"TrackUID"`
			Type   uint64 `ebml:"TrackType"`
			Lacing uint64 `ebml:"FlagLacing"`
			Codec  string `ebml:"CodecID"`
			Video  struct {
				Interlaced uint64      `ebml:"FlagInterlaced"`
				Width      uint64      `ebml:"PixelWidth"`
				Height     uint64      `ebml:"PixelHeight"`
				Projection *projection `ebml:"Projection"`
			} `ebml:"Video"`
		} `ebml:"TrackEntry"`
	} `ebml:"Tracks"`
}

type projection struct {
	Type uint64  `ebml:"ProjectionType"` // 0: rectangular
	Roll float64 `ebml:"ProjectionPoseRoll"`
}

func (m *matroska) append(dst []byte, f *client.Frame, at time.Duration) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	now := max(at.Round(time.Millisecond).Milliseconds(), m.last+1)
	if m.size == 0 {
		now = 0
		if err := m.head(out, f); err != nil {
			return nil, err
		}
	}
	if m.size == 0 || now-m.cluster >= clusterFor {
		m.cluster = now
		if n := len(m.cues); n == 0 || now-int64(m.cues[n-1].Time) >= cueEvery {
			c := cue{Time: uint64(now)}
			c.Track.Track, c.Track.Cluster = track, uint64(m.size+int64(out.Len())-m.segment)
			m.cues = append(m.cues, c)
		}
		var start struct {
			Cluster struct {
				Time uint64 `ebml:"Timecode"`
			} `ebml:"Cluster,size=unknown"`
		}
		start.Cluster.Time = uint64(now)
		if err := lay(out, &start); err != nil {
			return nil, err
		}
	}
	var block struct {
		Block ebml.Block `ebml:"SimpleBlock"`
	}
	block.Block = ebml.Block{TrackNumber: track, Timecode: int16(now - m.cluster), Keyframe: true, Data: [][]byte{f.Data}}
	if err := lay(out, &block); err != nil {
		return nil, err
	}
	m.last = now
	m.size += int64(out.Len())
	return out.Bytes(), nil
}

// head lays out what stands before the first cluster.
func (m *matroska) head(out *bytes.Buffer, first *client.Frame) error {
	h, err := mjpeg.Check(first.Data)
	if err != nil {
		return fmt.Errorf("the first frame: %w", err)
	}
	var e ebmlHead
	e.EBML.Version, e.EBML.ReadVersion, e.EBML.MaxID, e.EBML.MaxSize = 1, 1, 4, 8
	e.EBML.Type, e.EBML.TypeVersion, e.EBML.TypeRead = "matroska", 4, 2
	err = lay(out, &e)
	m.segment = int64(out.Len())
	m.seek = m.segment
	out.Write(void(seekRoom))

	var i info
	i.Info.Scale, i.Info.Muxer, i.Info.Writer = 1e6, "vchat "+api.Version, "vchatctl record"
	i.Info.Begun = first.Captured
	m.info = int64(out.Len())
	if err == nil {
		err = lay(out, &i)
	}
	m.tracks = int64(out.Len())
	m.duration = m.tracks - 8

	var t tracks
	entry := &t.Tracks.Entry
	entry.Number, entry.UID, entry.Type, entry.Codec = track, 1, 1, "V_MJPEG"
	entry.Video.Interlaced, entry.Video.Width, entry.Video.Height = 2, uint64(h.Width), uint64(h.Height) // 2: it is not
	if first.Rotate != 0 {
		// Counter-clockwise, from -180 to 180. EXIF in the frames besides would make some players turn them twice.
		entry.Video.Projection = &projection{Roll: float64((540-first.Rotate)%360 - 180)}
	}
	if err == nil {
		err = lay(out, &t)
	}
	return err
}

// finish says how long it is and where in it each moment is: a player can do without, but then it has to look for them.
func (m *matroska) finish(f *os.File, size int64, length time.Duration) error {
	cuesErr := m.index(f, size)
	_, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(length.Round(time.Millisecond).Milliseconds()))), m.duration)
	return cmp.Or(err, cuesErr)
}

// index writes the Cues behind all else, and then where they are.
func (m *matroska) index(f *os.File, size int64) error {
	var index struct {
		Cues struct {
			Points []cue `ebml:"CuePoint"`
		} `ebml:"Cues"`
	}
	index.Cues.Points = m.cues
	if last := len(m.cues) - 1; m.segment+int64(m.cues[last].Track.Cluster) >= size { // there was no room for it
		index.Cues.Points = m.cues[:last]
	}
	var out bytes.Buffer
	if err := lay(&out, &index); err != nil {
		return err
	}
	if _, err := f.WriteAt(out.Bytes(), size); err != nil {
		_ = f.Truncate(size)
		return err
	}
	out.Reset()
	if err := m.layout(&out, size); err != nil {
		return err
	}
	_, err := f.WriteAt(out.Bytes(), m.seek)
	return err
}

// layout lays out the SeekHead, in the room that was left for it.
func (m *matroska) layout(out *bytes.Buffer, cues int64) error {
	type seek struct {
		ID       []byte `ebml:"SeekID"`
		Position uint64 `ebml:"SeekPosition"`
	}
	var head struct {
		SeekHead struct {
			Seek []seek `ebml:"Seek"`
		} `ebml:"SeekHead"`
	}
	for _, s := range []struct {
		what ebml.ElementType
		at   int64
	}{{ebml.ElementInfo, m.info}, {ebml.ElementTracks, m.tracks}, {ebml.ElementCues, cues}} {
		head.SeekHead.Seek = append(head.SeekHead.Seek, seek{s.what.Bytes(), uint64(s.at - m.segment)})
	}
	if err := lay(out, &head); err != nil {
		return err
	}
	out.Write(void(seekRoom - out.Len()))
	return nil
}

// void is an element of n bytes, at least 9, that says nothing.
func void(n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint64(b[1:], 1<<56|uint64(n-9))
	b[0] = ebml.ElementVoid.Bytes()[0]
	return b
}

// lay appends elements.
func lay(out *bytes.Buffer, elements any) error {
	if err := ebml.Marshal(elements, out); err != nil {
		return fmt.Errorf("laying out Matroska: %w", err)
	}
	return nil
}

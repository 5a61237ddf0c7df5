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

// matroska is a file after RFC 9559 with one V_MJPEG track.
//
//	EBML  Segment (unknown size)
//	      ├ Void           space for the SeekHead
//	      ├ Info           Duration is 0 until finish
//	      ├ Tracks
//	      ├ Cluster        (unknown size) one second
//	      │ └ SimpleBlock  one frame
//	      └ Cues           written by finish: an index every five seconds
//
// The writer of ebml-go is not used: it passes each frame to a goroutine, and
// its caller never learns of a disk error.
type matroska struct {
	// File offsets, in bytes.
	size     int64 // what was appended so far
	segment  int64 // content of the Segment; its positions count from here
	seekHead int64 // the Void for it
	tracks   int64
	info     int64
	duration int64 // its value, 8 bytes

	cluster int64 // start of the present one, in ms
	last    int64 // time of the last frame, in ms
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
	clusterLength = 1000 // ms
	cueInterval   = 5000 // ms; the cues of a week then fit into memory
	seekHeadSize  = 96   // bytes reserved; it takes up to 65
	trackNumber   = 1

	muxer = "vchat " + api.Version
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
		Date     time.Time `ebml:"DateUTC,size=8"`
		Duration float64   `ebml:"Duration"` // must be last: see writeHeader
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

func (m *matroska) appendFrame(dst []byte, f *client.Frame, at time.Duration) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	now := max(at.Round(time.Millisecond).Milliseconds(), m.last+1)
	if m.size == 0 {
		now = 0
		if err := m.writeHeader(out, f); err != nil {
			return nil, err
		}
	}
	if m.size == 0 || now-m.cluster >= clusterLength {
		m.cluster = now
		if n := len(m.cues); n == 0 || now-int64(m.cues[n-1].Time) >= cueInterval {
			c := cue{Time: uint64(now)}
			c.Track.Track, c.Track.Cluster = trackNumber, uint64(m.size+int64(out.Len())-m.segment)
			m.cues = append(m.cues, c)
		}
		var start struct {
			Cluster struct {
				Time uint64 `ebml:"Timecode"`
			} `ebml:"Cluster,size=unknown"`
		}
		start.Cluster.Time = uint64(now)
		if err := marshal(out, &start); err != nil {
			return nil, err
		}
	}
	var block struct {
		Block ebml.Block `ebml:"SimpleBlock"`
	}
	block.Block = ebml.Block{
		TrackNumber: trackNumber, Timecode: int16(now - m.cluster), Keyframe: true, Data: [][]byte{f.Data},
	}
	if err := marshal(out, &block); err != nil {
		return nil, err
	}
	m.last = now
	m.size += int64(out.Len())
	return out.Bytes(), nil
}

// writeHeader writes everything before the first cluster.
func (m *matroska) writeHeader(out *bytes.Buffer, first *client.Frame) error {
	h, err := mjpeg.Check(first.Data)
	if err != nil {
		return fmt.Errorf("the first frame: %w", err)
	}
	err = writeHead(out)
	m.segment = int64(out.Len())
	m.seekHead = m.segment
	out.Write(voidElement(seekHeadSize))

	var i info
	i.Info.Scale, i.Info.Muxer, i.Info.Writer = 1e6, muxer, "vchatctl record"
	i.Info.Date = first.Captured
	m.info = int64(out.Len())
	if err == nil {
		err = marshal(out, &i)
	}
	m.tracks = int64(out.Len())
	m.duration = m.tracks - 8

	if err == nil {
		err = writeTracks(out, h, first.Rotate)
	}
	return err
}

// writeHead writes the start of a file, up to the content of the Segment.
func writeHead(out *bytes.Buffer) error {
	var e ebmlHead
	e.EBML.Version, e.EBML.ReadVersion, e.EBML.MaxID, e.EBML.MaxSize = 1, 1, 4, 8
	e.EBML.Type, e.EBML.TypeVersion, e.EBML.TypeRead = "matroska", 4, 2
	return marshal(out, &e)
}

// writeTracks writes the Tracks for frames that are shown turned by rotate
// degrees clockwise.
func writeTracks(out *bytes.Buffer, h mjpeg.Info, rotate int) error {
	var t tracks
	entry := &t.Tracks.Entry
	entry.Number, entry.UID, entry.Type, entry.Codec = trackNumber, 1, 1, "V_MJPEG"
	entry.Video.Interlaced = 2 // progressive
	entry.Video.Width, entry.Video.Height = uint64(h.Width), uint64(h.Height)
	if rotate != 0 {
		// Counterclockwise, from -180 to 180. With EXIF in the frames as well,
		// some players would rotate them twice.
		entry.Video.Projection = &projection{Roll: float64((540-rotate)%360 - 180)}
	}
	return marshal(out, &t)
}

// finish writes the duration and the index. Without them, players have to scan
// the file to seek.
func (m *matroska) finish(f *os.File, size int64, length time.Duration) error {
	indexErr := m.writeIndex(f, size)
	ms := float64(length.Round(time.Millisecond).Milliseconds())
	_, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, math.Float64bits(ms)), m.duration)
	return cmp.Or(err, indexErr)
}

// writeIndex appends the Cues and writes the SeekHead that points to them.
func (m *matroska) writeIndex(f *os.File, size int64) error {
	var index struct {
		Cues struct {
			Points []cue `ebml:"CuePoint"`
		} `ebml:"Cues"`
	}
	index.Cues.Points = m.cues
	if last := len(m.cues) - 1; m.segment+int64(m.cues[last].Track.Cluster) >= size { // the last write failed
		index.Cues.Points = m.cues[:last]
	}
	var out bytes.Buffer
	if err := marshal(&out, &index); err != nil {
		return err
	}
	if _, err := f.WriteAt(out.Bytes(), size); err != nil {
		_ = f.Truncate(size)
		return err
	}
	out.Reset()
	if err := m.writeSeekHead(&out, size); err != nil {
		return err
	}
	_, err := f.WriteAt(out.Bytes(), m.seekHead)
	return err
}

// writeSeekHead writes the SeekHead and fills the rest of its space.
func (m *matroska) writeSeekHead(out *bytes.Buffer, cues int64) error {
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
		id     ebml.ElementType
		offset int64
	}{{ebml.ElementInfo, m.info}, {ebml.ElementTracks, m.tracks}, {ebml.ElementCues, cues}} {
		head.SeekHead.Seek = append(head.SeekHead.Seek, seek{s.id.Bytes(), uint64(s.offset - m.segment)})
	}
	if err := marshal(out, &head); err != nil {
		return err
	}
	out.Write(voidElement(seekHeadSize - out.Len()))
	return nil
}

// voidElement returns a Void element of n bytes, at least 9.
func voidElement(n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint64(b[1:], 1<<56|uint64(n-9))
	b[0] = ebml.ElementVoid.Bytes()[0]
	return b
}

// marshal appends elements.
func marshal(out *bytes.Buffer, elements any) error {
	if err := ebml.Marshal(elements, out); err != nil {
		return fmt.Errorf("encode Matroska: %w", err)
	}
	return nil
}

package mjpeg

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// TestComplete_mends checks that frames with bytes in the wrong place or
// without EOI become the frame they were.
func TestComplete_mends(t *testing.T) {
	good := stdFrame(t)
	noEOI := good[:len(good)-2]
	dqt, dqtEnd := segmentAt(t, good, mDQT)
	dht, _ := segmentAt(t, good, mDHT)
	bare := without(t, good, mDHT)
	at := func(pos int, what ...byte) []byte { return slices.Concat(good[:pos], what, good[pos:]) }
	restarts := testFrames(t)["restart-rows"]
	multi := componentScans(t, 70, 50, nil, sampling{2, 2}, sampling{1, 1}, sampling{1, 1})
	for _, c := range []struct {
		name    string
		b, want []byte
	}{
		{"byte before SOI", at(0, 7), good},
		{"zeros before SOI", slices.Concat(make([]byte, 5000), good), good},
		{"two SOIs", at(0, 0xFF, mSOI), good},
		{"two SOIs with zeros between", at(0, 0xFF, mSOI, 0, 0, 0), good},
		{"a header cut off by the next frame", slices.Concat(good[:dqtEnd], good), good},
		{"junk after SOI", at(2, 1, 2, 3), good},
		{"junk between segments", at(dqtEnd, 0, 0xFF, 0), good},
		{"junk like a marker between segments", at(dqtEnd, 1, 0xFF, 0x30, 0xFF, mRST0), good},
		{"junk twice", slices.Concat(good[:dqt], []byte{9}, good[dqt:dht], make([]byte, 999), good[dht:]), good},
		{"junk and no tables", slices.Concat(bare[:dqtEnd], []byte{5}, bare[dqtEnd:]), good},
		{"byte other than FF for DHT", setByte(t, good, mDHT, 0, 0), good},
		{"no EOI", noEOI, good},
		{"half of EOI", good[:len(good)-1], good},
		{"no EOI, no tables", without(t, noEOI, mDHT), good},
		{"no EOI, padded with zeros", slices.Concat(noEOI, make([]byte, 700)), good},
		{"no EOI, padded with FF", slices.Concat(noEOI, bytes.Repeat([]byte{0xFF}, 7)), good},
		{"no EOI before the next frame", slices.Concat(noEOI, good), good},
		{"no EOI, junk everywhere", slices.Concat(make([]byte, 99), at(dqtEnd, 5)[:len(good)-1]), good},
		{"no EOI, restarts", restarts[:len(restarts)-2], restarts},
		{"no EOI, three scans", multi[:len(multi)-2], multi},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := Check(c.b)
			if err != nil {
				t.Fatal(err)
			}
			got := Complete([]byte("before"), c.b, info)[len("before"):]
			if len(got) != CompletedLen(info) {
				t.Errorf("got %d bytes, want CompletedLen %d", len(got), CompletedLen(info))
			}
			// Standard tables may move to just before the scan.
			if info.Tables && !bytes.Equal(got, c.want) {
				t.Errorf("got % x…, want % x…", got[:60], c.want[:60])
			}
			var d, e Decoder
			p, q := mustDecode(t, &d, got, 1), mustDecode(t, &e, c.want, 1)
			if !bytes.Equal(p.Y, q.Y) || !bytes.Equal(p.Cb, q.Cb) || !bytes.Equal(p.Cr, q.Cr) {
				t.Error("got another frame")
			}
			if _, err := e.Decode(c.b, 1); err != nil {
				t.Errorf("decoding it as it is: got %v, want no error", err)
			}
		})
	}
}

// TestCheck_beyondMending checks that a frame that lacks data is rejected.
func TestCheck_beyondMending(t *testing.T) {
	good := stdFrame(t)
	noEOI := good[:len(good)-2]
	_, dqtEnd := segmentAt(t, good, mDQT)
	optimised := testFrames(t)["optimised"]
	multi := componentScans(t, 70, 50, nil, sampling{2, 2}, sampling{1, 1}, sampling{1, 1})
	lastScan := bytes.LastIndex(multi, []byte{0xFF, mSOS})
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"64 KiB before SOI", slices.Concat(make([]byte, maxLead+1), good), ErrNoStart},
		{"too much junk between segments",
			slices.Concat(good[:dqtEnd], make([]byte, maxJunk+1), good[dqtEnd:]), ErrMarker},
		{"damaged DQT", setByte(t, good, mDQT, 0, 0), ErrMarker},
		{"damaged DHT of other tables", setByte(t, optimised, mDHT, 0, 0), ErrMarker},
		{"last MCU missing", noEOI[:len(noEOI)-4], ErrNoEnd},
		{"last MCU missing, padded with zeros", slices.Concat(noEOI[:len(noEOI)-4], make([]byte, 700)), ErrNoEnd},
		{"last MCU missing before the next frame", slices.Concat(noEOI[:len(noEOI)-4], good), ErrNoEnd},
		{"last scan missing", multi[:lastScan], ErrNoEnd},
		{"last scan header incomplete", multi[:lastScan+4], ErrNoEnd},
		{"progressive without EOI", setByte(t, noEOI, mSOF0, 1, mSOF2), ErrNoEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			if info, err := Check(c.b); !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v; want %v", info, err, c.want)
			}
		})
	}
}

func TestCheck_scanParametersIgnored(t *testing.T) {
	good := stdFrame(t)
	_, end := segmentAt(t, good, mSOS)
	b := slices.Clone(good)
	copy(b[end-3:], []byte{1, 5, 0x21}) // Ss, Se, Ah and Al
	var d, e Decoder
	if p, q := mustDecode(t, &d, b, 1), mustDecode(t, &e, good, 1); !bytes.Equal(p.Y, q.Y) {
		t.Error("got another frame than with 0, 63, 0")
	}
	var r Requantiser
	mustLoad(t, &r, b)
}

func TestCheck_allocationsWithoutEOI(t *testing.T) {
	b := stdFrame(t)
	b = b[:len(b)-2]
	if n := testing.AllocsPerRun(50, func() {
		if _, err := Check(b); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("got %v allocations per frame, want none", n)
	}
}

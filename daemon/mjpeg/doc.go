// Package mjpeg checks, completes, splits, shrinks, encodes and decodes the
// JPEG frames of cameras.
//
//	camera buffer    ── Check ──▶ Info ── Complete ──▶ complete JPEG
//	file, pipe       ── Splitter ──▶ frames with their Info
//	baseline JPEG    ── Requantiser ──▶ fewer bytes, or a smaller size
//	YUYV, NV12, grey ── Encoder ──▶ baseline JPEG: 4:2:2, 4:2:0, Y only
//	baseline JPEG    ── Decoder ──▶ Planes, 1/1 to 1/8 ── Put… ──▶ pixels
//
// Guarantees:
//
//   - No input makes it panic or read out of bounds.
//   - Steady state allocates nothing per good frame.
//   - Functions are safe for concurrent use. An Encoder, a Decoder, a
//     Requantiser or a Splitter is for one goroutine at a time.
//
// The package starts no goroutine.
//
// Files: decode_* is the Decoder, encode_* the Encoder, requant_* the
// Requantiser; header.go reads the headers for both decoders; check.go, dht.go,
// exif.go, jfif.go and split.go work on markers alone, check_scan.go on the
// Huffman codes of frames that must be mended; convert.go turns Planes into
// pixels.
//
// Names, numbers and tables are those of ITU-T T.81 (JPEG). "B.2" and "Annex K"
// in comments are its sections.
package mjpeg

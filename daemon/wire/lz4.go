package wire

import (
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// LZ4 compresses and decompresses raw frames, each as one LZ4 block without the
// LZ4 frame format. The zero value is ready for use. It contains the 136 KiB of
// tables for compression, so Compress allocates nothing. It is not safe for
// concurrent use.
type LZ4 struct {
	compressor lz4.Compressor
}

// MaxLZ4Size returns the largest useful compressed size of a raw frame of n
// bytes: 95 % of n. Above it the saving is not worth the time for
// decompression.
func MaxLZ4Size(n int) int { return int(int64(n) * 95 / 100) }

// Compress compresses raw, or a Difference, into dst and returns the size. If
// ok is false, the result exceeds MaxLZ4Size of raw or the length of dst: send
// the frame uncompressed. dst must not overlap raw.
func (z *LZ4) Compress(dst, raw []byte) (n int, ok bool) {
	dst = dst[:min(len(dst), MaxLZ4Size(len(raw)))]
	n, err := z.compressor.CompressBlock(raw, dst)
	return n, err == nil && n > 0
}

// Decompress decompresses src into dst, whose length is that of the raw frame.
// The error wraps ErrBadData if src is not an LZ4 block, or decompresses to
// another length. dst must not overlap src.
func (z *LZ4) Decompress(dst, src []byte) error {
	n, err := lz4.UncompressBlock(src, dst[:len(dst):len(dst)])
	if err != nil {
		return fmt.Errorf("%w: %d bytes do not decompress to %d: %w", ErrBadData, len(src), len(dst), err)
	}
	if n != len(dst) {
		return fmt.Errorf("%w: %d bytes decompress to %d, want %d", ErrBadData, len(src), n, len(dst))
	}
	return nil
}

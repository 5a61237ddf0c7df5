package wire

import (
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// LZ4 packs and unpacks raw frames, each by itself, as one LZ4 block without a frame. The zero LZ4 is ready. It
// keeps the 136 KiB of tables that packing needs, so that packing takes no memory; it is not for use by several
// goroutines at once.
type LZ4 struct {
	packer lz4.Compressor
}

// MaxLZ4Size is what a raw frame of n bytes is given to be packed into: 95 % of it. What does not fit is better sent
// stored, for unpacking is not free either.
func MaxLZ4Size(n int) int { return int(int64(n) * 95 / 100) }

// Compress packs raw, or a Difference, into dst and says how much of dst it took. It is not ok where that would be more
// than MaxLZ4Size of raw, or than dst has: then the frame is to be sent stored. dst must not overlap raw.
func (z *LZ4) Compress(dst, raw []byte) (n int, ok bool) {
	dst = dst[:min(len(dst), MaxLZ4Size(len(raw)))]
	n, err := z.packer.CompressBlock(raw, dst)
	return n, err == nil && n > 0
}

// Decompress unpacks src into dst, whose length must be that of the raw frame, or of the Difference; the error wraps
// ErrBadData where src is no LZ4 block or gives more or fewer bytes. It never writes outside dst. dst must not overlap src.
func (z *LZ4) Decompress(dst, src []byte) error {
	n, err := lz4.UncompressBlock(src, dst[:len(dst):len(dst)])
	if err != nil {
		return fmt.Errorf("%w: %d bytes that do not unpack to %d: %w", ErrBadData, len(src), len(dst), err)
	}
	if n != len(dst) {
		return fmt.Errorf("%w: %d bytes that unpack to %d instead of %d", ErrBadData, len(src), n, len(dst))
	}
	return nil
}

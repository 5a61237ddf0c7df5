package mjpeg

import "slices"

// codeTable is a Huffman table made for how often each symbol occurs in one frame.
type codeTable struct {
	counts  [17]byte // codes of each length; [0] is not used
	symbols [256]byte
	n       int // symbols that have a code

	// What make works with.
	keys   [257]uint64
	weight [2 * 257]uint32
	parent [2 * 257]int16
	depth  [2 * 257]uint8
}

// nobody is a symbol more than there can be: it takes the code of all ones, which no symbol may have (C.2).
const nobody = 256

// make makes the best table of codes of at most 16 bits for symbols that occur freq[symbol] times, fewer than 2^32 in all.
// Those that never occur get no code.
func (t *codeTable) make(freq *[256]uint32) {
	keys := append(t.keys[:0], 1<<9|nobody)
	for s, f := range freq {
		if f > 0 {
			// Weights above nobody's, so that its code is the longest.
			keys = append(keys, (uint64(f)+1)<<9|uint64(s))
		}
	}
	slices.Sort(keys)
	t.n = len(keys) - 1
	lengths := t.lengths(keys)
	limitLengths(&lengths)
	// Nobody leaves; its code is the last of the longest.
	for l := 16; l > 0; l-- {
		if lengths[l] > 0 {
			lengths[l]--
			break
		}
	}
	for l := range t.counts {
		t.counts[l] = byte(lengths[l])
	}
	for i := range t.n { // the most frequent first
		t.symbols[i] = byte(keys[t.n-i] & 0xFF)
	}
}

// lengths counts how many symbols Huffman's tree has at each depth. The keys are sorted by weight.
func (t *codeTable) lengths(keys []uint64) (at [64]int) {
	n := len(keys)
	if n == 1 {
		at[1] = 1
		return at
	}
	for i, k := range keys {
		t.weight[i] = uint32(k >> 9)
	}
	// Nodes are made in the order of their weight: the lightest two are at the head of the leaves or of the nodes.
	leaf, node := 0, n
	lightest := func(made int) int {
		if leaf < n && (node >= made || t.weight[leaf] <= t.weight[node]) {
			leaf++
			return leaf - 1
		}
		node++
		return node - 1
	}
	for made := n; made < 2*n-1; made++ {
		a := lightest(made)
		b := lightest(made)
		t.weight[made] = t.weight[a] + t.weight[b]
		t.parent[a], t.parent[b] = int16(made), int16(made)
	}
	t.depth[2*n-2] = 0
	for i := 2*n - 3; i >= 0; i-- {
		t.depth[i] = t.depth[t.parent[i]] + 1
		if i < n {
			at[t.depth[i]&63]++
		}
	}
	return at
}

// limitLengths makes all codes 16 bits or shorter, as in Figure K.3: two of the longest go up one bit as one, and the other
// one shares the place of a shorter code. Weights below 2^32 make no tree deeper than 46.
func limitLengths(at *[64]int) {
	for l := 63; l > 16; l-- {
		for at[l] > 0 {
			j := l - 2
			for at[j] == 0 {
				j--
			}
			at[l] -= 2
			at[l-1]++
			at[j+1] += 2
			at[j]--
		}
	}
}

// each calls f with every symbol, its code and the code's length.
func (t *codeTable) each(f func(symbol byte, code uint32, bits int)) {
	code, k := uint32(0), 0
	for l := 1; l <= 16; l++ {
		for range t.counts[l] {
			f(t.symbols[k], code, l)
			code, k = code+1, k+1
		}
		code <<= 1
	}
}

// cost is how many bits all symbols take that occur freq times, with the bits behind their codes.
func (t *codeTable) cost(freq *[256]uint32) (bits int) {
	t.each(func(symbol byte, _ uint32, l int) { bits += int(freq[symbol]) * (l + int(symbol&15)) })
	return bits
}

// appendTo appends the table as DHT carries it; class is Tc<<4 | Th.
func (t *codeTable) appendTo(b []byte, class byte) []byte {
	b = append(b, class)
	b = append(b, t.counts[1:]...)
	return append(b, t.symbols[:t.n]...)
}

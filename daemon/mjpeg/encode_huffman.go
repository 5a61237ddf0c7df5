package mjpeg

import "slices"

// codeTable is a Huffman table optimised for one frame's symbol frequencies.
type codeTable struct {
	counts  [17]byte // number of codes of each length; [0] is unused
	symbols [256]byte
	n       int // number of symbols with a code

	// Scratch memory of build.
	keys    [257]uint64
	weights [2 * 257]uint32
	parents [2 * 257]int16
	depths  [2 * 257]uint8
}

// reservedSymbol is an extra symbol that takes the code of all ones. No real
// symbol may have that code, C.2.
const reservedSymbol = 256

// build computes the optimal table with codes of at most 16 bits. freq[symbol]
// is how often the symbol occurs; the sum is below 2^32. Symbols that never
// occur get no code.
func (t *codeTable) build(freq *[256]uint32) {
	keys := append(t.keys[:0], 1<<9|reservedSymbol)
	for s, f := range freq {
		if f > 0 {
			// The reserved symbol has the lowest weight, so its code is the
			// longest.
			keys = append(keys, (uint64(f)+1)<<9|uint64(s))
		}
	}
	slices.Sort(keys)
	t.n = len(keys) - 1
	lengths := t.depthCounts(keys)
	limitLengths(&lengths)
	// Drop the reserved symbol: its code is the last one of the longest.
	for l := 16; l > 0; l-- {
		if lengths[l] > 0 {
			lengths[l]--
			break
		}
	}
	for l := range t.counts {
		t.counts[l] = byte(lengths[l])
	}
	for i := range t.n { // by falling frequency
		t.symbols[i] = byte(keys[t.n-i] & 0xFF)
	}
}

// depthCounts returns the number of symbols at each depth of the Huffman tree.
// The keys are sorted by weight.
func (t *codeTable) depthCounts(keys []uint64) (counts [64]int) {
	n := len(keys)
	if n == 1 {
		counts[1] = 1
		return counts
	}
	for i, k := range keys {
		t.weights[i] = uint32(k >> 9)
	}
	// Nodes are created by rising weight, so the lightest two are at the head
	// of the leaves or of the nodes.
	leaf, node := 0, n
	lightest := func(made int) int {
		if leaf < n && (node >= made || t.weights[leaf] <= t.weights[node]) {
			leaf++
			return leaf - 1
		}
		node++
		return node - 1
	}
	for made := n; made < 2*n-1; made++ {
		a := lightest(made)
		b := lightest(made)
		t.weights[made] = t.weights[a] + t.weights[b]
		t.parents[a], t.parents[b] = int16(made), int16(made)
	}
	t.depths[2*n-2] = 0
	for i := 2*n - 3; i >= 0; i-- {
		t.depths[i] = t.depths[t.parents[i]] + 1
		if i < n {
			counts[t.depths[i]&63]++
		}
	}
	return counts
}

// limitLengths shortens all codes to 16 bits or less, as in Figure K.3. Two of
// the longest codes are replaced by one that is a bit shorter; the other shares
// the prefix of a shorter code. Weights below 2^32 give a depth of at most 46.
func limitLengths(counts *[64]int) {
	for l := 63; l > 16; l-- {
		for counts[l] > 0 {
			j := l - 2
			for counts[j] == 0 {
				j--
			}
			counts[l] -= 2
			counts[l-1]++
			counts[j+1] += 2
			counts[j]--
		}
	}
}

// eachCode calls f with every symbol, its code and the code's length.
func (t *codeTable) eachCode(f func(symbol byte, code uint32, bits int)) {
	code, k := uint32(0), 0
	for l := 1; l <= 16; l++ {
		for range t.counts[l] {
			f(t.symbols[k], code, l)
			code, k = code+1, k+1
		}
		code <<= 1
	}
}

// cost returns the number of bits of all symbols, magnitude bits included.
func (t *codeTable) cost(freq *[256]uint32) (bits int) {
	t.eachCode(func(symbol byte, _ uint32, l int) { bits += int(freq[symbol]) * (l + int(symbol&15)) })
	return bits
}

// appendDHT appends the table as in DHT; class is Tc<<4 | Th.
func (t *codeTable) appendDHT(b []byte, class byte) []byte {
	b = append(b, class)
	b = append(b, t.counts[1:]...)
	return append(b, t.symbols[:t.n]...)
}

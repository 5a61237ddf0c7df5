package render

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"golang.org/x/sys/unix"
)

// Limits for the fonts of the system: their files may be broken or hostile.
const (
	maxFontFiles  = 1000
	maxFontDirs   = 500
	maxFontSize   = 64 << 20
	maxFontTables = 128
	maxFonts      = 64       // in use
	maxFontsSize  = 80 << 20 // together, in use
	maxCmap       = 2 << 20
	maxFontRanges = 20000 // of characters, in one font
	maxAllRanges  = 400000
	maxFontsConf  = 64 << 10
)

// systemFonts knows which font of the system has a character. It asks FindFonts
// for those it does not know: the picture does not wait for files.
//
//	find ─▶ wanted ─▶ FindFonts: fontSearch ─▶ found, version ─▶ find
type systemFonts struct {
	version atomic.Uint64 // how often characters were found
	wake    chan struct{} // something is wanted

	mu     sync.Mutex
	found  map[rune]*font.Font // nil: no font has it
	wanted []rune
}

// maxFound bounds the characters that are known: a peer can send all of them.
// It is more than a display can show.
const maxFound = 1 << 15

func newSystemFonts() *systemFonts {
	return &systemFonts{found: map[rune]*font.Font{}, wake: make(chan struct{}, 1)}
}

// find returns a font that has an outline of a character, or nil. It reports
// whether that is known yet.
func (s *systemFonts) find(c rune) (f *font.Font, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, known = s.found[c]; known {
		return f, true
	}
	if len(s.wanted) < maxFound && !slices.Contains(s.wanted, c) {
		s.wanted = append(s.wanted, c)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil, false
}

// FindFonts looks for fonts of the system that have the characters which Paint
// missed, until ctx ends. It calls changed when Paint can draw more. Paint may
// run meanwhile.
func (p *Painter) FindFonts(ctx context.Context, changed func()) {
	p.text.system.serve(ctx, &fontSearch{dirs: fontDirs}, changed)
}

func (s *systemFonts) serve(ctx context.Context, search *fontSearch, changed func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		if s.answer(ctx, search) {
			changed()
		}
	}
}

// answer looks for the characters that are wanted, and reports whether there
// were any.
func (s *systemFonts) answer(ctx context.Context, search *fontSearch) bool {
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = nil
	if len(s.found)+len(wanted) > maxFound {
		clear(s.found)
	}
	s.mu.Unlock()
	for _, c := range wanted {
		f := search.find(ctx, c)
		if ctx.Err() != nil {
			return false
		}
		s.mu.Lock()
		s.found[c] = f
		s.mu.Unlock()
	}
	if len(wanted) > 0 {
		s.version.Add(1)
	}
	return len(wanted) > 0
}

// fontSearch looks for fonts. It reads the directories when it is first asked,
// and from each font the list of its characters when it comes to it: those
// named after the script of the character first.
type fontSearch struct {
	dirs  func() []string
	known bool
	files []*fontFile // the plainest first
	fonts int         // in use
	size  int64       // theirs
	left  int         // of maxAllRanges, less those that are read
}

// fontFile is a font with the characters it has.
type fontFile struct {
	path   string
	name   string // in lower case
	rank   int    // lower for a plainer font
	read   bool
	ranges []runeRange // sorted
	face   *font.Face  // nil until it is used
	broken bool
}

type runeRange struct{ first, last rune }

// find returns a font that has an outline of a character, or nil.
func (s *fontSearch) find(ctx context.Context, c rune) *font.Font {
	if !s.known {
		s.known, s.left = true, maxAllRanges
		s.files = findFonts(s.dirs())
	}
	script := fontScript(c)
	for _, named := range [...]bool{true, false} {
		for _, f := range s.files {
			if ctx.Err() != nil {
				return nil
			}
			if (script != "" && strings.Contains(f.name, script)) != named || f.broken || !s.has(f, c) || !s.load(f) {
				continue
			}
			if id, ok := nominalGlyph(f.face, c); ok {
				segments, ok := glyphSegments(f.face, id)
				if ok && (len(segments) > 0 || !isEmoji(c)) {
					return f.face.Font
				}
			}
		}
	}
	return nil
}

// fontScript returns the script of a character as names of font files have it.
func fontScript(c rune) string {
	if unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo) {
		return "cjk"
	}
	return fontScriptName(scriptOf(c))
}

// fontScriptName returns the name of a script as names of font files have it.
func fontScriptName(script string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(script), " ", ""), "_", "")
}

// fontScripts are the names of all scripts.
var fontScripts = sync.OnceValue(func() []string {
	names := []string{"cjk"}
	for script := range unicode.Scripts {
		names = append(names, fontScriptName(script))
	}
	return names
})

// nominalGlyph returns the glyph of a character. The font may be broken.
func nominalGlyph(face *font.Face, c rune) (id font.GID, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return face.NominalGlyph(c)
}

// has reports whether a font has a character.
func (s *fontSearch) has(f *fontFile, c rune) bool {
	if !f.read {
		f.read = true
		f.ranges = readRanges(f.path)
		if s.left -= len(f.ranges); s.left < 0 {
			f.ranges = nil
		}
	}
	_, ok := slices.BinarySearchFunc(f.ranges, c, func(r runeRange, c rune) int {
		switch {
		case c < r.first:
			return 1
		case c > r.last:
			return -1
		}
		return 0
	})
	return ok
}

// load reads a font and reports whether it can be used.
func (s *fontSearch) load(f *fontFile) bool {
	if f.face != nil {
		return true
	}
	file, err := openFont(f.path)
	if err != nil {
		f.broken = true
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || s.fonts >= maxFonts || s.size+info.Size() > maxFontsSize {
		return false
	}
	if f.face = parseFont(file, info.Size()); f.face == nil {
		f.broken = true
		return false
	}
	s.fonts++
	s.size += info.Size()
	return true
}

// parseFont returns the font of a file, the first one of a collection, or nil.
func parseFont(file *os.File, size int64) (face *font.Face) {
	defer func() {
		if recover() != nil {
			face = nil
		}
	}()
	outlines := false
	for _, t := range readTables(file) {
		if int64(t.offset)+int64(t.size) > size { // memory is allocated for it
			return nil
		}
		outlines = outlines || t.tag == "glyf" || t.tag == "CFF " || t.tag == "CFF2"
	}
	if !outlines { // colored bitmaps
		return nil
	}
	loaders, err := opentype.NewLoaders(file)
	if err != nil || len(loaders) == 0 {
		return nil
	}
	f, err := font.NewFont(loaders[0])
	if err != nil || f.Upem() == 0 {
		return nil
	}
	return font.NewFace(f)
}

var errNoFont = errors.New("not a font")

// openFont opens a font file. It does not wait for the writer of a FIFO.
func openFont(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxFontSize {
		file.Close()
		return nil, errNoFont
	}
	return file, nil
}

// findFonts returns the fonts in directories and below, the plainest first.
func findFonts(dirs []string) []*fontFile {
	var paths []string
	visited := 0
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil //nolint:nilerr // a directory that cannot be read has no fonts
			case e.IsDir():
				if visited++; visited > maxFontDirs {
					return fs.SkipAll
				}
			case len(paths) >= maxFontFiles:
				return fs.SkipAll
			case slices.Contains([]string{".ttf", ".otf", ".ttc", ".otc"}, strings.ToLower(filepath.Ext(path))):
				paths = append(paths, path)
			}
			return nil
		})
	}
	var fonts []*fontFile
	for _, path := range paths {
		fonts = append(fonts, &fontFile{path: path, name: strings.ToLower(filepath.Base(path)), rank: fontRank(path)})
	}
	slices.SortStableFunc(fonts, func(a, b *fontFile) int { return cmp.Compare(a.rank, b.rank) })
	return fonts
}

// fontRank is lower for a plainer font.
func fontRank(path string) int {
	name := strings.ToLower(filepath.Base(path))
	rank := 0
	for _, word := range [...]string{"bold", "italic", "oblique", "mono", "thin", "light", "black", "condensed",
		"serif", "symbol", "emoji", "display"} {
		if strings.Contains(name, word) {
			rank += 2
		}
	}
	for _, word := range [...]string{"regular", "sans"} { // others are for ornament or for long texts
		if strings.Contains(name, word) {
			rank--
		}
	}
	for _, script := range fontScripts() { // a font for all has marks and letters
		if strings.Contains(name, script) {
			return rank + 2
		}
	}
	return rank
}

// fontDirs returns the directories of fontconfig.
func fontDirs() []string {
	home, err := os.UserHomeDir()
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" && err == nil {
		data = filepath.Join(home, ".local/share")
	}
	dirs := []string{"/usr/share/fonts", "/usr/local/share/fonts"}
	if data != "" {
		dirs = append(dirs, filepath.Join(data, "fonts"))
	}
	if err == nil {
		dirs = append(dirs, filepath.Join(home, ".fonts"))
	}
	file, err := openFont("/etc/fonts/fonts.conf")
	if err != nil {
		return dirs
	}
	defer file.Close()
	conf, _ := io.ReadAll(io.LimitReader(file, maxFontsConf))
	dirElement := regexp.MustCompile(`<dir(?:\s+prefix="(\w+)")?[^>]*>([^<]+)</dir>`)
	for _, m := range dirElement.FindAllSubmatch(conf, 16) {
		dir := strings.TrimSpace(string(m[2]))
		switch {
		case string(m[1]) == "xdg" && data != "":
			dir = filepath.Join(data, dir)
		case strings.HasPrefix(dir, "~/"):
			dir = filepath.Join(home, dir[2:])
		}
		if filepath.IsAbs(dir) && !slices.Contains(dirs, filepath.Clean(dir)) {
			dirs = append(dirs, filepath.Clean(dir))
		}
	}
	return dirs
}

// readRanges returns the characters of a font file, from its table cmap
// (OpenType specification, formats 4 and 12).
func readRanges(path string) []runeRange {
	file, err := openFont(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	cmap := readCmap(file)
	if len(cmap) < 4 {
		return nil
	}
	var best []runeRange
	for i := range min(int(binary.BigEndian.Uint16(cmap[2:])), 64) {
		record := 4 + 8*i
		if record+8 > len(cmap) {
			break
		}
		platform, encoding := binary.BigEndian.Uint16(cmap[record:]), binary.BigEndian.Uint16(cmap[record+2:])
		offset := int64(binary.BigEndian.Uint32(cmap[record+4:]))
		if platform != 0 && (platform != 3 || encoding != 1 && encoding != 10) || offset+16 > int64(len(cmap)) {
			continue
		}
		table := cmap[offset:]
		var ranges []runeRange
		switch binary.BigEndian.Uint16(table) {
		case 4:
			ranges = rangesFormat4(table)
		case 12:
			ranges = rangesFormat12(table)
		}
		if len(ranges) > len(best) {
			best = ranges
		}
	}
	slices.SortFunc(best, func(a, b runeRange) int { return cmp.Compare(a.first, b.first) })
	return best
}

// readCmap returns the table cmap of a font, or nil.
func readCmap(file io.ReaderAt) []byte {
	for _, t := range readTables(file) {
		if t.tag != "cmap" {
			continue
		}
		if t.size > maxCmap {
			return nil
		}
		cmap := make([]byte, t.size)
		if _, err := file.ReadAt(cmap, int64(t.offset)); err != nil {
			return nil
		}
		return cmap
	}
	return nil
}

// fontTable is a table of a font.
type fontTable struct {
	tag          string
	offset, size uint32
}

// readTables returns the tables of a font, those of the first one of a
// collection, or nil.
func readTables(file io.ReaderAt) (tables []fontTable) {
	var header [16]byte
	start := int64(0)
	if _, err := file.ReadAt(header[:], 0); err != nil {
		return nil
	}
	if string(header[:4]) == "ttcf" {
		start = int64(binary.BigEndian.Uint32(header[12:]))
		if _, err := file.ReadAt(header[:12], start); err != nil {
			return nil
		}
	}
	switch string(header[:4]) {
	case "\x00\x01\x00\x00", "true", "OTTO":
	default: // others are compressed, or old
		return nil
	}
	n := int(binary.BigEndian.Uint16(header[4:]))
	if n > maxFontTables {
		return nil
	}
	records := make([]byte, 16*n)
	if _, err := file.ReadAt(records, start+12); err != nil {
		return nil
	}
	for ; len(records) > 0; records = records[16:] {
		tables = append(tables, fontTable{
			string(records[:4]), binary.BigEndian.Uint32(records[8:]), binary.BigEndian.Uint32(records[12:]),
		})
	}
	return tables
}

func rangesFormat4(table []byte) (ranges []runeRange) {
	n := int(binary.BigEndian.Uint16(table[6:])) / 2
	if 16+4*n > len(table) {
		return nil
	}
	for i := range n {
		last, first := binary.BigEndian.Uint16(table[14+2*i:]), binary.BigEndian.Uint16(table[16+2*n+2*i:])
		if first <= last && first != 0xFFFF && len(ranges) < maxFontRanges {
			ranges = append(ranges, runeRange{rune(first), rune(last)})
		}
	}
	return ranges
}

func rangesFormat12(table []byte) (ranges []runeRange) {
	n := min(int64(binary.BigEndian.Uint32(table[12:])), int64(len(table)-16)/12, maxFontRanges)
	for i := range n {
		group := table[16+12*i:]
		first, last := binary.BigEndian.Uint32(group), binary.BigEndian.Uint32(group[4:])
		if first <= last && last <= 0x10FFFF {
			ranges = append(ranges, runeRange{rune(first), rune(last)})
		}
	}
	return ranges
}

package api

import "time"

// Feeds is the server of feeds for other programs.
type Feeds struct {
	Address string   `json:"address"`         // as configured
	Error   string   `json:"error,omitempty"` // why it does not listen; the daemon retries
	Readers []Reader `json:"readers"`
}

// Readers is the answer of PathReaders.
type Readers struct {
	Readers []Reader `json:"readers"`
}

// Reader is a program that may read the feeds over the network.
type Reader struct {
	Name    string    `json:"name"`
	Added   time.Time `json:"added"`
	Viewers int       `json:"viewers"` // feeds that it reads now
}

// ReaderRequest gives a program a token.
type ReaderRequest struct {
	// Name is 1 to 32 characters of a-z A-Z 0-9 . _ -, starting with a letter
	// or digit.
	Name string `json:"name"`
}

// NewReader is a reader with its token, which the daemon does not keep.
type NewReader struct {
	Reader
	Token string `json:"token"`
	URL   string `json:"url"` // of the feed self, with the token
}

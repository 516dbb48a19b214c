// Package logtest lets a test read a log while it is written.
package logtest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// Book holds every line that was logged through its Logger. The zero value is empty
// and ready for use by several goroutines.
type Book struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // closed at the next line; nil while nobody waits
}

// Logger returns a logger of level info that writes into the book, as text.
func (b *Book) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// Write adds a line.
func (b *Book) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written != nil {
		close(b.written)
		b.written = nil
	}
	return b.text.Write(line)
}

// String returns all lines so far.
func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Wait returns when the book contains text, or false when ctx is done before.
func (b *Book) Wait(ctx context.Context, text string) bool {
	for {
		found, written := b.look(text)
		if found {
			return true
		}
		select {
		case <-written:
		case <-ctx.Done():
			return false
		}
	}
}

func (b *Book) look(text string) (found bool, written <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written == nil {
		b.written = make(chan struct{})
	}
	return strings.Contains(b.text.String(), text), b.written
}

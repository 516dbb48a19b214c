package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// openEnds returns a pseudo-terminal and the file of whoever opens its port.
func openEnds(t *testing.T) (*ptyLine, *os.File) {
	line, err := openPTY(filepath.Join(t.TempDir(), "board"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := os.OpenFile(line.link, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = line.Close()
		_ = port.Close()
	})
	return line, port
}

// Every byte passes as it is, in both directions.
func TestPTYIsRaw(t *testing.T) {
	line, port := openEnds(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, way := range []struct {
		name string
		from io.Writer
		to   io.Reader
	}{{"to the gateway", line, port}, {"to the board", port, line}} {
		if _, err := way.from.Write(all); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(all))
		if _, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, all) {
			t.Errorf("%s: got % x, %v", way.name, got, err)
		}
	}
}

// Closing ends a Read, though the gateway has the port open.
func TestPTYCloseEndsRead(t *testing.T) {
	line, _ := openEnds(t)
	done := make(chan error)
	go func() {
		_, err := line.Read(make([]byte, 1))
		done <- err
	}()
	if err := line.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("Read has read something")
	}
	if _, err := os.Lstat(line.link); !os.IsNotExist(err) {
		t.Errorf("the link is still there: %v", err)
	}
}

// A board does not wait for a gateway that does not read.
func TestPTYDropsWhatNobodyReads(t *testing.T) {
	line, _ := openEnds(t)
	block := make([]byte, 1<<20)
	if n, err := line.Write(block); n != len(block) || err != nil {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
}

func TestRelink(t *testing.T) {
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	for _, target := range []string{"/dev/pts/1", "/dev/pts/2"} { // a link left behind is replaced
		if err := relink(target, link); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(link); got != target {
			t.Errorf("the link leads to %q, %v", got, err)
		}
	}
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := relink("/dev/pts/1", file); err == nil {
		t.Error("a file was replaced")
	}
}

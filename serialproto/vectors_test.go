package serialproto

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/internal/vectors"
)

const spec = "../docs/protocol.md"

// found is an Event that may be kept.
type found struct {
	kind Kind
	body string
}

func (f found) String() string {
	if f.kind.Noise() {
		return f.kind.String()
	}
	if len(f.body) > 64 {
		return fmt.Sprintf("%v of %d bytes % x...", f.kind, len(f.body), f.body[:16])
	}
	return fmt.Sprintf("%v % x", f.kind, f.body)
}

// listen feeds d with bursts that silences part, each burst in chunks of at
// most size bytes, and returns what it found.
func listen(d *Decoder, bursts [][]byte, size int) []found {
	var all []found
	now := time.Unix(1000, 0)
	feed := func(p []byte) {
		p = bytes.Clone(p)
		d.Feed(p, now)
		for ev, ok := d.Next(); ok; ev, ok = d.Next() {
			all = append(all, found{ev.Kind, string(ev.Body)})
		}
		for i := range p {
			p[i] = 0xEE // the chunk is the caller's again
		}
	}
	for i, burst := range bursts {
		if i > 0 {
			now = now.Add(Silence)
			feed(nil)
		}
		for len(burst) > 0 {
			n := min(size, len(burst))
			feed(burst[:n])
			burst = burst[n:]
		}
	}
	return all
}

func TestFrameVectors(t *testing.T) {
	for _, row := range vectors.Rows(t, spec, "F") {
		body, frame := vectors.Bytes(t, row[1]), vectors.Bytes(t, row[2])
		if got := AppendFrame(nil, body); !bytes.Equal(got, frame) {
			t.Errorf("%s: %s\nAppendFrame %x\nwant        %x", row[0], row[3], got, frame)
		}
		if got := AppendFrame([]byte("before"), body); string(got) != "before"+string(frame) {
			t.Errorf("%s: AppendFrame does not append", row[0])
		}
		if FrameLen(len(body)) < len(frame) {
			t.Errorf("%s: FrameLen(%d) is %d, and the frame has %d bytes", row[0], len(body), FrameLen(len(body)), len(frame))
		}
		for _, size := range []int{1, 7, len(frame)} {
			got := listen(new(Decoder), [][]byte{frame}, size)
			if len(got) != 1 || got[0] != (found{Frame, string(body)}) {
				t.Errorf("%s: in chunks of %d bytes: found %v", row[0], size, got)
			}
		}
	}
}

func TestStreamVectors(t *testing.T) {
	for _, row := range vectors.Rows(t, spec, "S") {
		var want []found
		for part := range strings.SplitSeq(row[2], ";") {
			kind, body, _ := strings.Cut(strings.TrimSpace(part), " ")
			switch kind {
			case "-":
			case "frame":
				want = append(want, found{Frame, string(vectors.Bytes(t, body))})
			case "text":
				want = append(want, found{Text, string(vectors.Bytes(t, body))})
			default:
				want = append(want, found{kindOf(t, kind), ""})
			}
		}
		for _, size := range []int{1, 2, 3, 64, 10000} {
			got := listen(new(Decoder), vectors.Bursts(t, row[1]), size)
			for i := range got {
				if got[i].kind.Noise() {
					got[i].body = ""
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s in chunks of %d bytes: %s\nfound %v\nwant  %v", row[0], size, row[3], got, want)
			}
		}
	}
}

func kindOf(t *testing.T, name string) Kind {
	for k := range Oversize + 1 {
		if k.String() == name {
			return k
		}
	}
	t.Fatalf("no kind is called %q", name)
	return 0
}

package simdisk

import (
	"bytes"
	"slices"
)

// blob is the bytes of a file. Pages are never changed once they are in a blob,
// so that copies share them; nil is a page of zeros.
type blob struct {
	pages []*[Page]byte
	size  int
}

func blobOf(p []byte) (b blob) {
	b.put(p, 0)
	return b
}

func (b *blob) clone() blob { return blob{slices.Clone(b.pages), b.size} }

// put writes p at off, and makes the blob longer if need be.
func (b *blob) put(p []byte, off int) {
	b.size = max(b.size, off+len(p))
	for len(b.pages)*Page < b.size {
		b.pages = append(b.pages, nil)
	}
	for len(p) > 0 {
		i, at := off/Page, off%Page
		n := min(Page-at, len(p))
		if old := b.pages[i]; old != nil || !zeros(p[:n]) {
			page := new([Page]byte)
			if old != nil {
				*page = *old
			}
			copy(page[at:], p[:n])
			b.pages[i] = page
		}
		p, off = p[n:], off+n
	}
}

// get reads into p what stands at off, and returns how much there is.
func (b *blob) get(p []byte, off int) int {
	p = p[:max(0, min(len(p), b.size-off))]
	for rest := p; len(rest) > 0; {
		i, at := off/Page, off%Page
		n := min(Page-at, len(rest))
		if page := b.pages[i]; page != nil {
			copy(rest, page[at:at+n])
		} else {
			clear(rest[:n])
		}
		rest, off = rest[n:], off+n
	}
	return len(p)
}

func zeros(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}

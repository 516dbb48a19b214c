package web

import (
	"bytes"
	"embed"
	"fmt"
	"hash/crc32"
	"net/http"
	"time"
)

//go:embed assets
var files embed.FS

// asset is a file that changes only with the program. A browser keeps it and asks whether it is still the same.
type asset struct {
	mime, tag string
	content   []byte
}

func newAsset(name, mime string) asset {
	content, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it was there when the program was built
	}
	return asset{mime, fmt.Sprintf("%q", fmt.Sprintf("%08x", crc32.ChecksumIEEE(content))), content}
}

// ServeHTTP implements http.Handler.
func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.mime)
	h.Set("Cache-Control", "no-cache") // keep it, but ask
	h.Set("ETag", a.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

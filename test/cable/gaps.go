package cable

// gaps finds the places between two frames of a board, which is where it prints.
type gaps struct {
	where place
	text  bool // the last bytes are text that fill has put there
}

// place is where in its stream a board is.
type place int

const (
	between place = iota // after a frame, or before the first
	begun                // after the delimiter that a frame begins with, or that ends what is no frame
	within               // a frame
	beside               // text of the board's own
)

// next follows one byte. A board that shares one delimiter between two frames is taken for one that prints: then there are fewer gaps than could be.
func (g *gaps) next(b byte) {
	switch {
	case b != 0 && g.where == between:
		g.where = beside
	case b != 0 && g.where == begun:
		g.where = within
	case b == 0 && g.where == within:
		g.where = between
	case b == 0:
		g.where = begun
	}
}

// fill puts the texts into the first gap of a chunk, or the one before it, and returns what is left of them. A frame that follows must not become part of a text,
// so if the board has not begun it with a delimiter one is put there.
func (g *gaps) fill(chunk []byte, texts []string) (out []byte, left []string) {
	for i := 0; ; i++ {
		if g.where == between {
			for _, text := range texts {
				out = append(out, text...)
			}
			g.text, texts = g.text || len(texts) > 0, nil
		}
		if i == len(chunk) {
			return out, texts
		}
		if g.text && chunk[i] != 0 {
			out = append(out, 0)
		}
		g.text = false
		g.next(chunk[i])
		out = append(out, chunk[i])
	}
}

package outbox

import "fmt"

// Log is an open log. One goroutine uses it. Its calls block while the disk
// works.
type Log struct {
	cfg    Config
	max    int // segments that messages may take
	folder Folder
	file   File // of the tail
	closed bool

	segs     []*segment // ascending
	number   uint64     // of the newest segment that was tried
	seq      uint64     // given out last
	unsynced bool       // a removal may not be on disk

	open         batch // appended since the last commit
	openMessages int
	spare        batch // for acknowledgements and moves
	dirty        []*client

	clients map[string]*client
	ids     uint64

	msgs int   // messages waiting
	size int64 // bytes of their records
	live int64 // bytes of all records that matter

	quarantine      []quarantined // oldest first
	quarantineBytes int64
	moves           map[uint32]position // source segment: where its copies begin
	tried           map[uint32]bool     // source segment: there are copies, and it exists

	evicted    []Evicted
	damage     damages
	indexes    indexCache
	changes    int    // how often counts were put right after damage
	win        window // of scans
	reader     window // of Read and the like
	found      []item // of a scan
	blank      []string
	lastCommit int // offset in the tail, as Open found it
}

// Open opens the log in cfg.Dir, which it makes if it is missing. It repairs
// what a power cut may leave: bytes of a commit that was not completed are
// overwritten with zeros. Records that have rotted are skipped and reported by
// [Log.Damage]. A file that no crash leaves behind like that is refused, with
// an error that names it and says what to do: [ErrForeign], [ErrNewer],
// [ErrDamaged].
//
// Nothing else is written, but for the last commit, once more: it may never have
// reached the disk.
func Open(cfg Config) (*Log, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := newLog(cfg)
	if l.folder, err = cfg.FS.Lock(cfg.Dir); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	if err = l.recover(); err == nil {
		err = l.repair()
	}
	if err == nil {
		return l, nil
	}
	l.closeFile()
	l.indexes.close()
	_ = l.folder.Close()
	return nil, err
}

func newLog(cfg Config) *Log {
	return &Log{
		cfg:     cfg,
		max:     int(cfg.MaxBytes / int64(cfg.SegmentBytes)),
		clients: map[string]*client{},
		moves:   map[uint32]position{},
		tried:   map[uint32]bool{},
	}
}

// Close writes acknowledgements that are not on disk yet, and gives the folder
// back. What was appended since the last Commit is lost. After an error the log
// is closed all the same.
func (l *Log) Close() error {
	if l.closed {
		return ErrClosed
	}
	l.discard()
	err := l.Flush()
	l.closed = true
	l.closeFile()
	l.indexes.close()
	if e := l.folder.Close(); err == nil && e != nil {
		err = fmt.Errorf("outbox: %s: %w", l.cfg.Dir, e)
	}
	return err
}

package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// ManifestFile is written and synced last: a folder without it is no backup.
const ManifestFile = "manifest.json"

const manifestFormat = 1

// Manifest says what a backup holds. Its file is two lines: the manifest as JSON, and the SHA-256 of that
// line, so that no byte of it can change unseen either.
type Manifest struct {
	Format int       `json:"format"`
	Build  string    `json:"build"`
	Source string    `json:"source"`
	Time   time.Time `json:"time"`
	// Journal is the id of the log, in hex.
	Journal  string    `json:"journal"`
	Events   int       `json:"events"`  // shards of each stage
	Notices  int       `json:"notices"` //
	Stores   []Store   `json:"stores"`
	Segments []Segment `json:"segments"`
	// Ends are the offsets after the last record of each partition, events first.
	Ends  []log.Offset `json:"ends"`
	Files []File       `json:"files"`
}

// Store is where the store of a partition stands.
type Store struct {
	Folder     string     `json:"folder"`
	Next       log.Offset `json:"next"`
	Clock      int64      `json:"clock"` // of the shard, Unix ms
	Inputs     uint64     `json:"inputs"`
	Generation uint64     `json:"generation"`
}

// Segment is a segment of the log and the first offset of each partition in it.
type Segment struct {
	Name string       `json:"name"`
	Base []log.Offset `json:"base"`
}

// File is one file of the backup, by its path in it, with slashes.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for i := range m.Files {
		n += m.Files[i].Size
	}
	return n
}

// Shards are the partition counts.
func (m *Manifest) Shards() journal.Shards {
	return journal.Shards{Events: m.Events, Notices: m.Notices}
}

// ID is the id of the log that was backed up.
func (m *Manifest) ID() (id log.ID, err error) {
	b, err := hex.DecodeString(m.Journal)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("journal id %q, expected %d hex digits", m.Journal, 2*len(id))
	}
	return log.ID(b), nil
}

// partition is the i-th partition, events first.
func (m *Manifest) partition(i int) log.Partition {
	if i < m.Events {
		return log.Partition{Stream: log.Events, Shard: uint16(i)}
	}
	return log.Partition{Stream: log.Notices, Shard: uint16(i - m.Events)}
}

func (m *Manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	return append(b, sealOf(b)...), nil
}

// sealOf is the second line of the file.
func sealOf(line []byte) string {
	return fmt.Sprintf("{\"sha256\":\"%x\"}\n", sha256.Sum256(line))
}

// errUnfinished is of a folder that no backup was completed in.
var errUnfinished = errors.New("it has no " + ManifestFile + ": the backup was interrupted, or this is none")

// ReadManifest reads and checks the manifest of a backup.
func ReadManifest(fs state.FS, dir string) (*Manifest, error) {
	m, err := readManifest(fs, dir)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	return m, nil
}

func readManifest(fs state.FS, dir string) (*Manifest, error) {
	b, err := state.ReadFile(fs, fs.PathJoin(dir, ManifestFile))
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, errUnfinished
	}
	end := bytes.IndexByte(b, '\n') + 1
	if string(b[end:]) != sealOf(b[:end]) {
		return nil, fmt.Errorf("%s is altered: it does not have the digest that it was written with", ManifestFile)
	}
	var format struct{ Format int }
	if err := json.Unmarshal(b[:end], &format); err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	if format.Format != manifestFormat {
		return nil, fmt.Errorf("%s has format %d, this build reads %d", ManifestFile, format.Format, manifestFormat)
	}
	m := new(Manifest)
	if err := json.Unmarshal(b[:end], m); err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	return m, m.check()
}

// check refuses what no backup wrote: paths that lead out of the folder, counts that do not fit.
func (m *Manifest) check() error {
	for i := range m.Files {
		p := m.Files[i].Path
		for _, part := range strings.Split(p, "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\\x00") {
				return fmt.Errorf("%s: file %q leads out of the backup", ManifestFile, p)
			}
		}
	}
	n := m.Events + m.Notices
	if m.Events < 1 || m.Notices < 1 || len(m.Stores) != n || len(m.Ends) != n || len(m.Segments) == 0 {
		return fmt.Errorf("%s: %d stores, %d ends and %d segments for %d and %d shards", ManifestFile, len(m.Stores), len(m.Ends), len(m.Segments), m.Events, m.Notices)
	}
	for i := range m.Segments {
		if len(m.Segments[i].Base) != n {
			return fmt.Errorf("%s: segment %s has %d offsets for %d partitions", ManifestFile, m.Segments[i].Name, len(m.Segments[i].Base), n)
		}
	}
	_, err := m.ID()
	return err
}

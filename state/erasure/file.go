package erasure

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The list is two files of the data folder, which no backup holds.
//
//	erased.key   "MPERAKEY", the key (32 bytes), CRC32C of both (4)
//	erased.list  "MPERALST", then a record per change, appended and synced, little-endian:
//
//	 0  kind (1: vehicle, 2: party)      8  hash (16)
//	 1  what happened (1: erased,       24  when, Unix ms
//	    2: returned)                    32  how many records were synced before this one was
//	 2  0 (2)                               written: evidence that a bad one was lost
//	 4  CRC32C of all but these 4 bytes
const (
	// ListFile and KeyFile are the names of the files in a data folder.
	ListFile = "erased.list"
	KeyFile  = "erased.key"

	keyMagic   = "MPERAKEY"
	listMagic  = "MPERALST"
	recordSize = 40

	opErased   = 1
	opReturned = 2

	category = vfs.WriteCategoryUnspecified
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// change is a record of the list.
type change struct {
	op   byte
	kind Kind
	hash Hash
	at   int64
}

func (c *change) append(b []byte, synced int) []byte {
	var r [recordSize]byte
	r[0], r[1] = byte(c.kind), c.op
	copy(r[8:24], c.hash[:])
	le.PutUint64(r[24:], uint64(c.at))
	le.PutUint64(r[32:], uint64(synced))
	le.PutUint32(r[4:], checksum(r[:]))
	return append(b, r[:]...)
}

func checksum(r []byte) uint32 {
	return crc32.Update(crc32.Checksum(r[:4], castagnoli), castagnoli, r[8:])
}

// readChange decodes a record; ok is false for one that is not whole.
func readChange(r []byte) (c change, synced int, ok bool) {
	r = r[:recordSize]
	c = change{op: r[1], kind: Kind(r[0]), hash: Hash(r[8:24]), at: int64(le.Uint64(r[24:]))}
	ok = checksum(r) == le.Uint32(r[4:]) && (c.op == opErased || c.op == opReturned) && (c.kind == Vehicle || c.kind == Party)
	return c, int(le.Uint64(r[32:])), ok
}

// files is the list's file, open to be appended to.
type files struct {
	list vfs.File
	size int64 // where the valid records end
}

func (f *files) append(changes []change) error {
	synced := int(f.size-int64(len(listMagic))) / recordSize
	b := make([]byte, 0, len(changes)*recordSize)
	for i := range changes {
		b = changes[i].append(b, synced)
	}
	if _, err := f.list.WriteAt(b, f.size); err != nil {
		return err
	}
	if err := f.list.Sync(); err != nil {
		return err
	}
	f.size += int64(len(b))
	return nil
}

func (f *files) close() error { return f.list.Close() }

// Open opens the list in a folder that exists, making both files if need be; fs nil is the machine's.
func Open(fs vfs.FS, dir string) (*List, error) {
	if fs == nil {
		fs = vfs.Default
	}
	l := newList()
	path := fs.PathJoin(dir, ListFile)
	b, err := readFile(fs, path)
	if err != nil {
		return nil, fmt.Errorf("erasure: open list: %w", err)
	}
	if err := l.openKey(fs, dir, len(b) <= len(listMagic)); err != nil {
		return nil, err
	}
	if len(b) < len(listMagic) { // none, or cut short when it was made
		if err := replaceFile(fs, path, []byte(listMagic)); err != nil {
			return nil, fmt.Errorf("erasure: make list: %w", err)
		}
		b = []byte(listMagic)
	}
	end, err := l.load(path, b)
	if err != nil {
		return nil, err
	}
	f, err := fs.OpenReadWrite(path, category)
	if err != nil {
		return nil, fmt.Errorf("erasure: open list: %w", err)
	}
	l.files = &files{list: f, size: end}
	return l, nil
}

// Read reads a list to look into it, the key in the file beside it (erased.list, erased.key); fs nil is the
// machine's. Changes to what it returns stay in memory.
func Read(fs vfs.FS, path string) (*List, error) {
	if fs == nil {
		fs = vfs.Default
	}
	b, err := readFile(fs, path)
	if err == nil && b == nil {
		err = os.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("erasure: read list %s: %w", path, err)
	}
	l := newList()
	key := KeyPath(path)
	k, err := readFile(fs, key)
	if err != nil {
		return nil, fmt.Errorf("erasure: read key: %w", err)
	}
	if err := l.setKey(key, k); err != nil {
		return nil, err
	}
	_, err = l.load(path, b)
	return l, err
}

// KeyPath is where the key of a list is: beside it, under its name with .key for .list.
func KeyPath(list string) string { return strings.TrimSuffix(list, ".list") + ".key" }

// Copy makes the list in folder `to` that of the file at path, key included. What stood there is replaced.
func Copy(from vfs.FS, path string, to vfs.FS, dir string) error {
	l, err := Read(from, path)
	if err != nil {
		return err
	}
	key := append(append([]byte(keyMagic), l.key[:]...), 0, 0, 0, 0)
	le.PutUint32(key[len(key)-4:], crc32.Checksum(key[:len(key)-4], castagnoli))
	list := []byte(listMagic)
	for _, e := range l.All() {
		c := change{op: opErased, kind: e.Kind, hash: e.Hash, at: e.Erased}
		list = c.append(list, 0)
		if e.Returned != 0 {
			c.op, c.at = opReturned, e.Returned
			list = c.append(list, 0)
		}
	}
	// The key first: a list without its key is refused, a key without a list is an empty one.
	if err := replaceFile(to, to.PathJoin(dir, KeyFile), key); err != nil {
		return fmt.Errorf("erasure: copy key: %w", err)
	}
	if err := replaceFile(to, to.PathJoin(dir, ListFile), list); err != nil {
		return fmt.Errorf("erasure: copy list: %w", err)
	}
	return nil
}

// openKey reads the key, or makes one for a list that holds nothing yet.
func (l *List) openKey(fs vfs.FS, dir string, empty bool) error {
	path := fs.PathJoin(dir, KeyFile)
	b, err := readFile(fs, path)
	if err != nil {
		return fmt.Errorf("erasure: open key: %w", err)
	}
	if b != nil || !empty {
		return l.setKey(path, b)
	}
	if _, err := rand.Read(l.key[:]); err != nil {
		return fmt.Errorf("erasure: make key: %w", err)
	}
	b = append([]byte(keyMagic), l.key[:]...)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := replaceFile(fs, path, b); err != nil {
		return fmt.Errorf("erasure: make key: %w", err)
	}
	return nil
}

func (l *List) setKey(path string, b []byte) error {
	n := len(keyMagic)
	if len(b) != n+len(l.key)+4 || string(b[:n]) != keyMagic || crc32.Checksum(b[:len(b)-4], castagnoli) != le.Uint32(b[len(b)-4:]) {
		return fmt.Errorf("erasure: key %s is missing or damaged (%d bytes, expected %d): without it nobody can tell whose entries "+
			"the list holds; put the file back, or move %s away and erase again what was erased", path, len(b), n+len(l.key)+4, ListFile)
	}
	copy(l.key[:], b[n:])
	return nil
}

// load takes the records in b and returns where the valid ones end. A bad record that a later one says was
// synced is damage; else it and what follows was cut short by a crash and had not been promised.
func (l *List) load(path string, b []byte) (end int64, err error) {
	if string(b[:min(len(b), len(listMagic))]) != listMagic {
		return 0, fmt.Errorf("erasure: %s is no list of erased ids", path)
	}
	rest := b[len(listMagic):]
	good := 0
	for ; len(rest) >= recordSize; good++ {
		c, _, ok := readChange(rest)
		if !ok {
			break
		}
		l.take(c)
		rest = rest[recordSize:]
	}
	for at := good; len(rest) >= recordSize; at++ {
		if _, synced, ok := readChange(rest); ok && synced > good {
			return 0, fmt.Errorf("erasure: %s is damaged at byte %d: an entry that was kept is lost; put back a copy of the file, "+
				"or move it away and erase again what was erased", path, len(listMagic)+good*recordSize)
		}
		rest = rest[recordSize:]
	}
	return int64(len(listMagic) + good*recordSize), nil
}

// readFile returns nil for a file that is not there.
func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// replaceFile makes b the content of a file, durably: all of it or what was there.
func replaceFile(fs vfs.FS, path string, b []byte) error {
	const temp = ".tmp"
	f, err := fs.Create(path+temp, category)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(path+temp, path); err != nil {
		return err
	}
	d, err := fs.OpenDir(fs.PathDir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
)

// writeCategory labels the writes in disk health metrics of wrapping file systems.
const writeCategory vfs.DiskWriteCategory = "milepost-backup"

// copier copies files and tells how far it is.
type copier struct {
	fs  state.FS
	buf []byte
	// did is told how many bytes were read since the last call.
	did func(n int64)
}

func newCopier(fs state.FS, did func(int64)) *copier {
	if did == nil {
		did = func(int64) {}
	}
	return &copier{fs: fs, buf: make([]byte, 1<<20), did: did}
}

// digest reads a whole file.
func (c *copier) digest(ctx context.Context, path string) (size int64, sum string, err error) {
	f, err := c.fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	size, err = c.read(ctx, f, -1, h, nil)
	return size, sumOf(h), err
}

// copy copies the first size bytes of a file, all with -1, durably but for the name.
func (c *copier) copy(ctx context.Context, from, to string, size int64) (copied int64, sum string, err error) {
	in, err := c.fs.Open(from, vfs.SequentialReadsOption)
	if err != nil {
		return 0, "", err
	}
	defer in.Close()
	out, err := c.fs.Create(to, writeCategory)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	copied, err = c.read(ctx, in, size, h, out)
	if err == nil {
		err = out.Sync()
	}
	return copied, sumOf(h), errors.Join(err, out.Close())
}

// link makes a hard link of a file that nobody changes any more, or a copy where that cannot be.
func (c *copier) link(ctx context.Context, from, to string) (size int64, sum string, err error) {
	if c.fs.Link(from, to) != nil {
		return c.copy(ctx, from, to, -1)
	}
	return c.digest(ctx, to)
}

func (c *copier) read(ctx context.Context, in io.Reader, size int64, h hash.Hash, out io.Writer) (total int64, err error) {
	for size < 0 || total < size {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		b := c.buf
		if size >= 0 {
			b = b[:min(int64(len(b)), size-total)]
		}
		n, err := in.Read(b)
		total += int64(n)
		h.Write(b[:n])
		if n > 0 && out != nil {
			if _, err := out.Write(b[:n]); err != nil {
				return total, err
			}
		}
		c.did(int64(n))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return total, err
		}
	}
	if size > total {
		return total, fmt.Errorf("the file ends after %d of %d bytes: %w", total, size, io.ErrUnexpectedEOF)
	}
	return total, nil
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// emptyDir reports whether a folder holds nothing, or is not there.
func emptyDir(fs state.FS, dir string) (bool, error) {
	if _, err := fs.Stat(dir); isNotExist(err) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	names, err := fs.List(dir)
	return len(names) == 0, err
}

// makeDir makes a folder and what is missing above it, durably.
func makeDir(fs state.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return state.SyncDir(fs, parent)
}

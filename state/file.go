package state

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MachineFS is the machine's file system.
func MachineFS() FS { return vfs.Default }

// ReadFile returns a file's bytes, nil for one that is not there.
func ReadFile(fs FS, path string) ([]byte, error) {
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

// ReplaceFile makes b the content of a file, durably: after a crash it has the old content or the new.
func ReplaceFile(fs FS, path string, b []byte) error {
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(fs, fs.PathDir(path))
}

// AppendLine adds a line to a file, made if need be, durably. One that a crash cut short is ended first.
func AppendLine(fs FS, path string, line []byte) error {
	_, err := fs.Stat(path)
	made := errors.Is(err, os.ErrNotExist)
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = appendLine(f, line)
	if err = errors.Join(err, f.Close()); err != nil || !made {
		return err
	}
	return SyncDir(fs, fs.PathDir(path))
}

func appendLine(f vfs.File, line []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	b := append([]byte{}, line...)
	if end > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], end-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			b = append([]byte{'\n'}, b...)
		}
	}
	if _, err := f.WriteAt(append(b, '\n'), end); err != nil {
		return err
	}
	return f.Sync()
}

// SyncDir makes the names in a folder durable.
func SyncDir(fs FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
